import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import type { RootSource, TokenSource } from '../config.ts'

/**
 * Trusted roots as PEM, read anew each time: the control plane rotates them while we run.
 *
 * @throws The file's own error, with its path.
 */
export async function readRoots(source: RootSource): Promise<string> {
  switch (source.kind) {
    case 'file':
      return readFile(source.path, 'utf8')
    case 'pem':
      return source.pem
    case 'system':
      return rootCertificates.join('\n')
  }
}

/**
 * The bearer token, read anew for each call: the kubelet replaces it every hour.
 *
 * @throws {Error} when the file is missing or empty: going on without a token would only be refused less clearly.
 */
export async function readToken(source: TokenSource | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined
  if (source.kind === 'literal') return source.token
  const token = (await readFile(source.path, 'utf8')).trim()
  if (token === '') throw new Error(`Cannot use token file "${source.path}": it is empty`)
  return token
}
