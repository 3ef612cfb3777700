import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSpiffeId, type SpiffeId } from '@ambient/spiffe'
import { expect } from 'vitest'

export const web: SpiffeId = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')

/** A directory of its own, and the openssl tool in it. */
export interface Scratch extends Disposable {
  readonly path: string
  openssl(...args: readonly string[]): string
  read(file: string): string
  /** Under another inode, as every tool does that replaces a file whole. */
  replace(file: string, text: string): void
}

export function scratch(): Scratch {
  const path = mkdtempSync(join(tmpdir(), 'ca-'))
  return {
    path,
    openssl: (...args) =>
      execFileSync('openssl', args, { cwd: path, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }),
    read: (file) => readFileSync(join(path, file), 'utf8'),
    replace: (file, text) => {
      writeFileSync(join(path, 'aside'), text)
      renameSync(join(path, 'aside'), join(path, file))
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  }
}

/** A request for a P-256 key as another program makes it. */
export function csr(): string {
  using directory = scratch()
  return directory.openssl(
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'key.pem',
    '-subj',
    '/',
  )
}

interface AuthorityOf {
  readonly name: string
  /** Default: itself. */
  readonly issuer?: string
  readonly days: number
  /** `ALGORITHM` or `ALGORITHM:SIZE`. */
  readonly key?: string
  readonly isCa?: boolean
}

/** Makes `NAME.pem` and `NAME.key`. */
export function authority(
  directory: Scratch,
  { name, issuer, days, key = 'EC:P-256', isCa = true }: AuthorityOf,
): void {
  const [algorithm = '', size = ''] = key.split(':')
  const option = algorithm === 'EC' ? `ec_paramgen_curve:${size}` : `rsa_keygen_bits:${size}`
  directory.openssl(
    'genpkey',
    '-algorithm',
    algorithm,
    ...(size === '' ? [] : ['-pkeyopt', option]),
    '-out',
    `${name}.key`,
  )
  const signed = issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`]
  const usages = isCa
    ? ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign']
    : ['basicConstraints=critical,CA:FALSE']
  directory.openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    `${name}.key`,
    '-subj',
    `/CN=${name}`,
    '-days',
    `${days}`,
    '-out',
    `${name}.pem`,
    ...usages.flatMap((usage) => ['-addext', usage]),
    ...signed,
  )
}

/** The revocation list of an authority, PEM: it has revoked these, and what it revoked before. */
export function revocationList(directory: Scratch, issuer: string, revoked: readonly string[] = []): string {
  const by = ['-config', `${issuer}.cnf`, '-keyfile', `${issuer}.key`, '-cert', `${issuer}.pem`]
  if (!existsSync(join(directory.path, `${issuer}.cnf`))) {
    const settings = [`database = ${issuer}.index`, 'default_md = sha256', 'default_crl_days = 30']
    directory.replace(`${issuer}.cnf`, ['[ca]', 'default_ca = own', '[own]', ...settings, ''].join('\n'))
    directory.replace(`${issuer}.index`, '')
  }
  for (const name of revoked) directory.openssl('ca', ...by, '-revoke', `${name}.pem`)
  return directory.openssl('ca', ...by, '-gencrl')
}

/** Fails unless openssl verifies the leaf for both roles. */
export function verifyWithOpenssl(of: {
  readonly leaf: string
  readonly intermediates?: string
  readonly roots: string
  readonly atMs?: number
}): void {
  using directory = scratch()
  for (const [name, text] of Object.entries({
    leaf: of.leaf,
    roots: of.roots,
    between: of.intermediates ?? '',
  }))
    directory.replace(`${name}.pem`, text)
  const between = of.intermediates === undefined ? [] : ['-untrusted', 'between.pem']
  const at = of.atMs === undefined ? [] : ['-attime', `${Math.floor(of.atMs / 1000)}`]
  for (const purpose of ['sslclient', 'sslserver'])
    expect(
      directory.openssl(
        'verify',
        '-x509_strict',
        ...at,
        '-purpose',
        purpose,
        '-CAfile',
        'roots.pem',
        ...between,
        'leaf.pem',
      ),
    ).toBe('leaf.pem: OK\n')
}
