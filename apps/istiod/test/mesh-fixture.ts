import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT_CERT_FILE } from '@ambient/ca'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { createLogger, LevelFilter, type Logger } from '@ambient/telemetry'
import { runXdsClient, type XdsEvent, type XdsSink } from '@ambient/xds'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type IstiodConfig, parseCommand } from '../src/config.ts'
import { type Istiod, startIstiod } from '../src/istiod.ts'

/** A directory with everything an istiod needs, and the keys to call it with. */
export interface MeshFixture extends Disposable {
  readonly directory: string
  readonly lines: string[]
  readonly logger: Logger
  readonly config: IstiodConfig
  /** The same as a command line. */
  readonly args: readonly string[]
  put(file: string, text: string): void
  /** What clients are given to know istiod by. */
  rootPem(): string
  /** A token of the ztunnel on `node`, or of another pod. */
  token(of?: Partial<TokenFacts>): Promise<string>
}

export interface TokenFacts {
  readonly namespace: string
  readonly account: string
  readonly pod: string
  readonly uid: string
  readonly node: string
  readonly audience: string
}

/** An istiod on it, in this process. */
export function runIstiod({ config, logger }: MeshFixture): Promise<Istiod> {
  return startIstiod(config, { clock: systemClock, random: systemRandom, logger, version: 'test' })
}

export async function meshFixture(
  flags: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<MeshFixture> {
  const root = mkdtempSync(join(tmpdir(), 'istiod-'))
  const directory = join(root, 'config')
  mkdirSync(directory)
  const keys = await generateKeyPair('ES256')
  writeFileSync(
    join(root, 'jwks.json'),
    JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256' }] }),
  )
  const lines: string[] = []
  const paths = [
    '--config-dir',
    directory,
    '--jwks',
    join(root, 'jwks.json'),
    '--state-dir',
    join(root, 'state'),
  ]
  const args = [
    ...paths,
    '--listen',
    '127.0.0.1',
    '--secure-port',
    '0',
    '--monitoring-port',
    '0',
    '--http-port',
    '0',
    ...flags,
  ]
  const command = parseCommand(args, { ROOT_CA_DIR: '/nowhere', ...env })
  if (command.kind !== 'run') throw new Error('flags must start istiod')
  return {
    directory,
    lines,
    logger: createLogger({
      format: 'plain',
      level: LevelFilter.parse('info'),
      write: (line) => void lines.push(line),
      clock: systemClock,
      scope: 'istiod',
    }),
    config: command.config,
    args,
    put: (file, text) => {
      writeFileSync(join(root, 'put'), text)
      renameSync(join(root, 'put'), join(directory, file))
    },
    rootPem: () => readFileSync(join(root, 'state', ROOT_CERT_FILE), 'utf8'),
    token: (of = {}) => {
      const { namespace, account, pod, uid, node, audience } = { ...ZTUNNEL_A, ...of }
      const claims = {
        namespace,
        serviceaccount: { name: account, uid: 'sa' },
        pod: { name: pod, uid },
        ...(node === '' ? {} : { node: { name: node, uid: 'n' } }),
      }
      return new SignJWT({ 'kubernetes.io': claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setSubject(`system:serviceaccount:${namespace}:${account}`)
        .setAudience(audience)
        .setExpirationTime('1h')
        .sign(keys.privateKey)
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  }
}

const ZTUNNEL_A: TokenFacts = {
  namespace: 'istio-system',
  account: 'ztunnel',
  pod: 'ztunnel-a',
  uid: 'uid-ztunnel-a',
  node: 'node-a',
  audience: 'istio-ca',
}

/** A ztunnel's view of the mesh, by a real client over TLS. */
export interface Subscriber extends AsyncDisposable {
  readonly addresses: Map<string, unknown>
  readonly policies: Map<string, unknown>
  /** In order: `synced TYPE`, `sent NAME`, `removed NAME`, `ended REASON`. */
  readonly log: string[]
  /** Resolves at the next change. */
  changed(): Promise<void>
}

export function subscribe(
  at: {
    readonly port: () => number
    readonly rootPem: string
    readonly token: () => Promise<string>
    /** Default: node-a. */
    readonly node?: string
  },
  logger: Logger,
): Subscriber {
  const ended = new AbortController()
  const addresses = new Map<string, unknown>()
  const policies = new Map<string, unknown>()
  const log: string[] = []
  let next = Promise.withResolvers<void>()
  const note = (...entries: readonly string[]): void => {
    log.push(...entries)
    next.resolve()
    next = Promise.withResolvers()
  }
  const sink: XdsSink = {
    onAddresses: ({ upserts, removed }) => {
      for (const address of upserts)
        addresses.set(
          address.kind === 'workload'
            ? address.workload.uid
            : `${address.service.namespace}/${address.service.hostname}`,
          address,
        )
      for (const name of removed) addresses.delete(name)
      note(
        ...upserts.map(
          (address) => `sent ${address.kind === 'workload' ? address.workload.name : address.service.name}`,
        ),
        ...removed.map((name) => `removed ${name}`),
      )
    },
    onAuthorizations: ({ upserts, removed }) => {
      for (const policy of upserts) policies.set(`${policy.namespace}/${policy.name}`, policy)
      for (const name of removed) policies.delete(name)
      note(...upserts.map((policy) => `sent ${policy.name}`), ...removed.map((name) => `removed ${name}`))
    },
  }
  const onEvent = (event: XdsEvent): void => {
    if (event.kind === 'synced') note(`synced ${event.typeUrl.split('.').at(-1)}`)
    if (event.kind === 'terminated') note(`ended ${event.reason}`)
  }
  const options = {
    roots: () => Promise.resolve(at.rootPem),
    altHostname: 'istiod.istio-system.svc',
    token: at.token,
    headers: {},
    clusterId: 'Kubernetes',
    node: {
      id: 'ztunnel~10.0.0.9~ztunnel-a.istio-system~istio-system.svc.cluster.local',
      metadata: { NODE_NAME: at.node ?? 'node-a' },
    },
    clock: systemClock,
    random: systemRandom,
    logger,
    onEvent,
    get address() {
      return { host: 'localhost', port: at.port(), plaintext: false }
    },
  }
  const running = runXdsClient(options, sink, ended.signal)
  return {
    addresses,
    policies,
    log,
    changed: () => next.promise,
    [Symbol.asyncDispose]: async () => {
      ended.abort()
      await running
    },
  }
}
