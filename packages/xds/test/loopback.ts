import { Server, ServerCredentials } from '@grpc/grpc-js'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { type Address, addressName } from '@ambient/model'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import { createLogger, LevelFilter } from '@ambient/telemetry'
import { type IssuedCertificate, type IssueRequest, testCa } from '@ambient/testkit'
import { onTestFinished } from 'vitest'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, DeltaXdsServer, type Delta, ResourceTable, runXdsClient, type XdsEvent, type XdsServerEvent } from '../src/index.ts'

const logger = createLogger({ format: 'plain', level: LevelFilter.parse('error'), write: () => {}, clock: systemClock, scope: 'xds' })

export interface ClientChoices {
  readonly host?: string
  readonly altHostname?: string
  readonly token?: string
}

/** A control plane that a test fills by hand, over TLS on loopback. */
export class Loopback {
  readonly addresses = new ResourceTable(ADDRESS_TYPE)
  readonly authorizations = new ResourceTable(AUTHORIZATION_TYPE)
  readonly serverEvents: XdsServerEvent[] = []
  isSynced = true
  port = 0
  xds: DeltaXdsServer | undefined
  readonly #certificate: IssuedCertificate
  #server: Server | undefined

  private constructor(certificate: IssuedCertificate) {
    this.#certificate = certificate
  }

  static async open(names: IssueRequest = { dnsNames: ['localhost'] }): Promise<Loopback> {
    const loopback = new Loopback(await (await testCa()).issue({ ...names, eku: 'server' }))
    await loopback.start()
    onTestFinished(() => loopback.stop())
    return loopback
  }

  /** Again at the port of before. */
  async start(): Promise<void> {
    const server = new Server()
    this.xds = new DeltaXdsServer({
      views: [this.authorizations, this.addresses],
      authenticate: (metadata) =>
        Promise.resolve(metadata.get('authorization')[0] === 'Bearer jwt' ? { kind: 'accepted', identity: 'ztunnel' } : { kind: 'refused', detail: 'a token is needed' }),
      isSynced: () => this.isSynced,
      clock: systemClock,
      logger,
      onEvent: (event) => void this.serverEvents.push(event),
    })
    this.xds.register(server)
    const keys = [{ private_key: Buffer.from(this.#certificate.privateKeyPem), cert_chain: Buffer.from(this.#certificate.certificateChainPem) }]
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.port}`, ServerCredentials.createSsl(null, keys), (error, port) => (error === null ? resolve(port) : reject(error)))
    })
    this.#server = server
  }

  stop(): void {
    this.xds?.[Symbol.dispose]()
    this.#server?.forceShutdown()
  }

  /** Runs a client until the test is over. */
  connect({ host = 'localhost', altHostname, token }: ClientChoices = {}): RecordedClient {
    const seen: RecordedClient = { events: [], deltas: [] }
    const take = (delta: Delta<Address> | Delta<AuthorizationPolicy>, upserts: readonly string[]): void => void seen.deltas.push({ upserts, removed: delta.removed })
    const stop = new AbortController()
    const running = runXdsClient(
      {
        address: { host, port: this.port, plaintext: false },
        roots: () => Promise.resolve(this.#certificate.rootsPem),
        altHostname,
        token: () => Promise.resolve(token ?? 'jwt'),
        headers: {},
        clusterId: 'Kubernetes',
        node: { id: 'node-1', metadata: {} },
        clock: systemClock,
        random: systemRandom,
        logger,
        onEvent: (event) => void seen.events.push(event),
      },
      { onAddresses: (delta) => take(delta, delta.upserts.map(addressName)), onAuthorizations: (delta) => take(delta, delta.upserts.map(policyKey)) },
      stop.signal,
    )
    onTestFinished(async () => {
      stop.abort()
      await running
    })
    return seen
  }
}

export interface RecordedClient {
  readonly events: XdsEvent[]
  readonly deltas: { readonly upserts: readonly string[]; readonly removed: readonly string[] }[]
}
