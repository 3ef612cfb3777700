import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import type { ControlPlanePeer, RootSource, TokenSource, ZtunnelConfig } from '../config.ts'

/**
 * Trusted roots as PEM, read anew each time: the control plane rotates them while we run.
 *
 * @throws The file's own error, with its path.
 */
async function readRoots(source: RootSource): Promise<string> {
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
async function readToken(source: TokenSource | undefined): Promise<string | undefined> {
  if (source === undefined) return undefined
  if (source.kind === 'literal') return source.token
  const token = (await readFile(source.path, 'utf8')).trim()
  if (token === '') throw new Error(`Cannot use token file "${source.path}": it is empty`)
  return token
}

export interface PeerOptions extends Pick<ControlPlanePeer, 'address' | 'altHostname' | 'headers'> {
  readonly roots: () => Promise<string>
  readonly token: () => Promise<string | undefined>
}

/** How a peer of the control plane is reached, in the words of its clients. */
export function peerOptions(peer: ControlPlanePeer, config: Pick<ZtunnelConfig, 'token'>): PeerOptions {
  return {
    address: peer.address,
    altHostname: peer.altHostname,
    headers: peer.headers,
    roots: () => readRoots(peer.roots),
    token: () => readToken(config.token),
  }
}
