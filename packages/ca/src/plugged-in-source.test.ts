import { X509Certificate } from 'node:crypto'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { splitPem } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { CertificateIssuer, PluggedInSource } from './index.ts'
import {
  authority,
  csr,
  revocationList,
  scratch,
  type Scratch,
  verifyWithOpenssl,
  web,
} from '../test/openssl.ts'

function open(directory: string): Promise<CertificateIssuer> {
  return CertificateIssuer.open({
    source: new PluggedInSource(directory),
    clock: systemClock,
    defaultTtlSeconds: 3600,
    maxTtlSeconds: 86_400 * 3650,
  })
}

/** A root, an intermediate below it and one below that, which signs; files as Istio names them. */
function plugIn(directory: Scratch, options: { readonly key?: string; readonly days?: number } = {}): void {
  authority(directory, { name: 'root', days: 3650 })
  authority(directory, { name: 'middle', issuer: 'root', days: options.days ?? 300 })
  authority(directory, {
    name: 'signer',
    issuer: 'middle',
    days: 400,
    ...(options.key === undefined ? {} : { key: options.key }),
  })
  copyFileSync(join(directory.path, 'signer.key'), join(directory.path, 'ca-key.pem'))
  copyFileSync(join(directory.path, 'signer.pem'), join(directory.path, 'ca-cert.pem'))
  copyFileSync(join(directory.path, 'root.pem'), join(directory.path, 'root-cert.pem'))
  writeFileSync(
    join(directory.path, 'cert-chain.pem'),
    ['signer', 'middle', 'root'].map((name) => directory.read(`${name}.pem`)).join(''),
  )
}

test.each([
  { key: 'EC:P-256' },
  { key: 'EC:P-384' },
  { key: 'RSA:2048' },
  { key: 'RSA:2048', traditional: true },
  { key: 'ED25519' },
])(
  'PluggedInSource signs with a key $key, and gives the chain that leads to the root',
  async ({ key, traditional }) => {
    using directory = scratch()
    plugIn(directory, { key })
    if (traditional === true)
      directory.openssl('rsa', '-in', 'signer.key', '-traditional', '-out', 'ca-key.pem')
    const issuer = await open(directory.path)
    const elements = await issuer.sign(csr(), web, 600)
    expect(elements).toHaveLength(4)
    const [leaf = '', signer = '', middle = '', roots = ''] = elements
    expect(elements.map((pem) => splitPem(pem).length)).toEqual([1, 1, 1, 1])
    expect(signer.trim()).toBe(splitPem(directory.read('signer.pem'))[0])
    expect(middle.trim()).toBe(splitPem(directory.read('middle.pem'))[0])
    expect(roots.trim()).toBe(splitPem(directory.read('root.pem'))[0])
    verifyWithOpenssl({ leaf, intermediates: `${signer}${middle}`, roots })
    const serving = await issuer.issueServing({ dnsNames: ['localhost'], ips: [] })
    expect(splitPem(serving.certificateChainPem)).toHaveLength(3)
  },
)

test('PluggedInSource lets no leaf outlive any certificate above it', async () => {
  using directory = scratch()
  plugIn(directory, { days: 30 })
  const issuer = await open(directory.path)
  const [leaf = ''] = await issuer.sign(csr(), web, 86_400 * 365)
  const end = new X509Certificate(directory.read('middle.pem')).validToDate
  expect(new X509Certificate(leaf).validToDate).toEqual(end)
  expect(issuer.expiry.chainMs).toBe(end.getTime())
})

test('PluggedInSource takes the names of a TLS secret, with the chain in tls.crt', async () => {
  using directory = scratch()
  plugIn(directory)
  for (const [from, to] of [
    ['ca-key.pem', 'tls.key'],
    ['cert-chain.pem', 'tls.crt'],
    ['root-cert.pem', 'ca.crt'],
  ] as const)
    copyFileSync(join(directory.path, from), join(directory.path, to))
  for (const file of ['ca-cert.pem', 'ca-key.pem', 'root-cert.pem', 'cert-chain.pem'])
    rmSync(join(directory.path, file))
  expect(await (await open(directory.path)).sign(csr(), web, 60)).toHaveLength(4)
})

test.each<{ name: string; spoil: (directory: Scratch) => void; message: string }>([
  {
    name: 'a missing key',
    spoil: ({ path }) => rmSync(join(path, 'ca-key.pem')),
    message: 'ca-key.pem is missing',
  },
  {
    name: 'a missing link of the chain',
    spoil: ({ path }) => rmSync(join(path, 'cert-chain.pem')),
    message: 'no certificate of the chain or the roots issued "CN=signer"',
  },
  {
    name: 'another key',
    spoil: ({ path }) => copyFileSync(join(path, 'middle.key'), join(path, 'ca-key.pem')),
    message: 'certificate and key do not belong together',
  },
  {
    name: 'a certificate of no CA',
    spoil: (directory) => {
      authority(directory, { name: 'leaf', issuer: 'middle', days: 10, isCa: false })
      copyFileSync(join(directory.path, 'leaf.key'), join(directory.path, 'ca-key.pem'))
      copyFileSync(join(directory.path, 'leaf.pem'), join(directory.path, 'ca-cert.pem'))
    },
    message: 'the signing certificate is not that of a CA',
  },
  {
    name: 'revocation lists that are none',
    spoil: ({ path }) => writeFileSync(join(path, 'ca-crl.pem'), 'nonsense'),
    message: 'ca-crl.pem: there is no revocation list in it',
  },
  {
    name: 'a revocation list that cannot be read',
    spoil: (directory) => {
      const list = revocationList(directory, 'root')
      const broken = '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'
      writeFileSync(join(directory.path, 'ca-crl.pem'), `${list}${broken}`)
    },
    message: 'ca-crl.pem: revocation list 2 of 2 cannot be read',
  },
  {
    name: 'revocation lists that no ConfigMap could hold',
    spoil: ({ path }) => writeFileSync(join(path, 'ca-crl.pem'), 'x'.repeat(786_433)),
    message: 'ca-crl.pem: it is longer than 786432 bytes',
  },
  {
    name: 'a file that is none',
    spoil: ({ path }) => writeFileSync(join(path, 'ca-cert.pem'), 'nonsense'),
    message: 'there is no signing certificate',
  },
])('PluggedInSource refuses $name, and names what it is about', async ({ spoil, message }) => {
  using directory = scratch()
  plugIn(directory)
  spoil(directory)
  const opening = open(directory.path)
  await expect(opening).rejects.toMatchObject({ code: 'CA_ROOT_INVALID' })
  await expect(opening).rejects.toThrow(message)
})

test('isThere() tells whether any file of a CA is there', async () => {
  using directory = scratch()
  expect(await PluggedInSource.isThere(directory.path)).toBe(false)
  expect(await PluggedInSource.isThere(join(directory.path, 'nowhere'))).toBe(false)
  writeFileSync(join(directory.path, 'ca-key.pem'), '')
  expect(await PluggedInSource.isThere(directory.path)).toBe(true)
})

test('refresh() takes another signer, and other roots only when no peer is left behind', async () => {
  using directory = scratch()
  plugIn(directory)
  const issuer = await open(directory.path)
  expect(await issuer.refresh()).toBe(false)
  const put = (file: string, ...parts: readonly string[]): void =>
    directory.replace(file, parts.map((part) => directory.read(part)).join(''))

  authority(directory, { name: 'second', issuer: 'middle', days: 100 })
  put('ca-key.pem', 'second.key')
  await expect(issuer.refresh()).rejects.toThrow('do not belong together') // half of a change
  put('ca-cert.pem', 'second.pem')
  expect(await issuer.refresh()).toBe(true)
  const [, signer] = await issuer.sign(csr(), web, 60)
  expect(signer?.trim()).toBe(splitPem(directory.read('second.pem'))[0])

  authority(directory, { name: 'other', days: 3650 })
  put('root-cert.pem', 'other.pem')
  put('cert-chain.pem', 'middle.pem')
  await expect(issuer.refresh()).rejects.toMatchObject({ code: 'CA_ROOT_INVALID' }) // leads to no root
  put('root-cert.pem', 'root.pem', 'other.pem')
  expect(await issuer.refresh()).toBe(true)
  expect(splitPem(issuer.rootsPem)).toHaveLength(2)

  put('ca-cert.pem', 'other.pem')
  put('ca-key.pem', 'other.key')
  expect(await issuer.refresh()).toBe(true)
  expect(await issuer.sign(csr(), web, 60)).toHaveLength(2) // the root signs by itself
  put('root-cert.pem', 'other.pem')
  expect(await issuer.refresh()).toBe(true)

  authority(directory, { name: 'stranger', days: 3650 })
  put('ca-cert.pem', 'stranger.pem')
  put('ca-key.pem', 'stranger.key')
  put('root-cert.pem', 'stranger.pem')
  await expect(issuer.refresh()).rejects.toThrow('the roots were replaced')
  expect(await issuer.sign(csr(), web, 60)).toHaveLength(2)
})

test('refresh() takes revocation lists of every CA above, keeps the last good ones, and tells of a change', async () => {
  using directory = scratch()
  plugIn(directory)
  const [ofRoot, ofMiddle] = [revocationList(directory, 'root'), revocationList(directory, 'middle')]
  directory.replace('ca-crl.pem', ofRoot)
  const issuer = await open(directory.path)
  expect(issuer.crlPem).toBe(ofRoot)
  const changed = issuer.changed
  directory.replace('ca-crl.pem', `# of the root\n${ofRoot}${ofMiddle}`)
  expect(await issuer.refresh()).toBe(true)
  expect(issuer.crlPem).toBe(`${ofRoot}${ofMiddle}`)
  await changed
  const revoked = revocationList(directory, 'middle', ['signer'])
  directory.replace('ca-crl.pem', revoked.slice(0, -30))
  await expect(issuer.refresh()).rejects.toMatchObject({ code: 'CA_ROOT_INVALID' })
  expect(issuer.crlPem).toBe(`${ofRoot}${ofMiddle}`)
  directory.replace('ca-crl.pem', revoked)
  expect(await issuer.refresh()).toBe(true)
  expect(issuer.crlPem).toBe(revoked)
})

test('PluggedInSource gives no revocation lists when they do not count, whatever is in the file', async () => {
  using directory = scratch()
  plugIn(directory)
  directory.replace('ca-crl.pem', 'nonsense')
  const source = new PluggedInSource(directory.path, { givesRevocations: false })
  expect((await source.open()).crlPem).toBeUndefined()
})
