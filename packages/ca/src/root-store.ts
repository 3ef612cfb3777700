import 'reflect-metadata'
import { createPrivateKey, X509Certificate as NodeCertificate } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { Clock } from '@ambient/lifecycle'
import { CaError } from './ca-error.ts'
import { CURVE, newSerialNumber, SIGNATURE } from './key-algorithm.ts'

export interface Root {
  readonly certificate: X509Certificate
  readonly certificatePem: string
  readonly key: CryptoKey
}

export const ROOT_CERT_FILE = 'root-cert.pem'
const BUNDLE_FILE = 'ca-root.pem'
const LIFETIME_MS = 3650 * 86_400_000
const SKEW_MS = 120_000

/**
 * The root of `directory`, made when there is none. Key and certificate are one file that appears whole: of two that
 * start together one makes it, and both use it. `root-cert.pem` beside it is what clients are given.
 *
 * @throws {CaError} `CA_STATE_INVALID`, naming the file that cannot be used; it is never overwritten.
 */
export async function openRoot(
  directory: string,
  organization: string,
  clock: Pick<Clock, 'nowMs'>,
): Promise<Root> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, BUNDLE_FILE)
  const found = await readIfThere(path)
  const pem = found ?? (await create(path, organization, clock.nowMs()))
  const root = await parse(path, pem)
  await publish(join(directory, ROOT_CERT_FILE), root.certificatePem)
  return root
}

async function create(path: string, organization: string, nowMs: number): Promise<string> {
  const keys = await crypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerialNumber(),
    name: `O=${organization}`,
    notBefore: new Date(nowMs - SKEW_MS),
    notAfter: new Date(nowMs + LIFETIME_MS),
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  const aside = await writeAside(path, `${key}\n${certificate.toString('pem')}\n`, 0o600)
  try {
    await link(aside, path) // fails when somebody was first: theirs is the root
  } catch (cause) {
    if (!isExisting(cause)) throw cause
  } finally {
    await rm(aside, { force: true })
  }
  return readFile(path, 'utf8')
}

/** Readers see the old text or the new one. */
async function publish(path: string, text: string): Promise<void> {
  if ((await readIfThere(path)) === text) return
  await rename(await writeAside(path, text, 0o644), path)
}

/** A file beside `path` that is on the disk before it gets the name that counts. */
async function writeAside(path: string, text: string, mode: number): Promise<string> {
  const aside = `${path}.${process.pid}.${newSerialNumber()}`
  await using file = await open(aside, 'wx', mode)
  await file.writeFile(text)
  await file.sync()
  return aside
}

async function parse(path: string, pem: string): Promise<Root> {
  try {
    const [keyPem = ''] = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(pem) ?? []
    const [certificatePem = ''] =
      /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(pem) ?? []
    const facts = new NodeCertificate(certificatePem)
    if (!facts.ca || !facts.checkPrivateKey(createPrivateKey(keyPem)))
      throw new Error('certificate and key do not belong together')
    const key = await crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(keyPem), CURVE, false, [
      'sign',
    ])
    return { certificate: new X509Certificate(certificatePem), certificatePem: `${certificatePem}\n`, key }
  } catch (cause) {
    throw new CaError(
      'CA_STATE_INVALID',
      `Cannot use the root of "${path}": restore it from a copy, or remove it to make a new one (every certificate of the old one then ends)`,
      { cause },
    )
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw cause
  }
}

function isExisting(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
}
