import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabPod, LabProcess } from '@ambient/lab'
import { testCa } from '@ambient/testkit'

/** A proxy in each of two pods that carries TCP between them in mutual TLS, as its committed configuration says. */
export interface ProxyPair {
  /** `proxies/NAME-client.SUFFIX` and `proxies/NAME-server.SUFFIX`. */
  readonly name: string
  readonly suffix: string
  /** The program and its arguments, for the name of a configuration file. */
  readonly argv: (configuration: string) => readonly string[]
}

/** Where the app in the client's pod finds its half. */
export const PAIR_ENTRANCE = { ip: '127.0.0.1', port: 15001 } as const

const TEMPLATES = join(import.meta.dirname, 'proxies')
const SIDES = ['client', 'server'] as const

export interface PairPods {
  readonly client: LabPod
  readonly server: LabPod
}

/** Starts both halves. What they read lies in `folder`, certificates included: of the kind the mesh's own CA issues. */
export async function startPair(
  pair: ProxyPair,
  pods: PairPods,
  folder: string,
): Promise<readonly LabProcess[]> {
  mkdirSync(folder, { recursive: true })
  await writeCertificates(folder)
  const halves: LabProcess[] = []
  for (const side of SIDES) {
    const name = `${pair.name}-${side}.${pair.suffix}`
    const template = readFileSync(join(TEMPLATES, name), 'utf8')
    const configuration = join(folder, name)
    writeFileSync(configuration, fillIn(template, { FOLDER: folder, SERVER_IP: pods.server.ip }))
    halves.push(await pods[side].withHostFiles().start(pair.argv(configuration)))
  }
  return halves
}

/** `@NAME@` becomes its value. Pure. @throws {Error} naming a name that has none */
export function fillIn(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`A configuration asks for "${name}", which nobody knows`)
    return value
  })
}

/** Every configuration that is committed, by file name. */
export function readTemplates(): ReadonlyMap<string, string> {
  return new Map(readdirSync(TEMPLATES).map((name) => [name, readFileSync(join(TEMPLATES, name), 'utf8')]))
}

async function writeCertificates(folder: string): Promise<void> {
  const ca = await testCa('bench root')
  writeFileSync(join(folder, 'root.pem'), ca.rootPem)
  for (const side of SIDES) {
    const uris = [`spiffe://cluster.local/ns/bench/sa/${side}`]
    const issued = await ca.issue({ uris, dnsNames: [`${side}.bench`] })
    const files = {
      [`${side}.pem`]: issued.certificateChainPem,
      [`${side}.key`]: issued.privateKeyPem,
      [`${side}.both.pem`]: `${issued.certificateChainPem}\n${issued.privateKeyPem}`,
    }
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), text)
      chmodSync(join(folder, name), 0o600)
    }
  }
}
