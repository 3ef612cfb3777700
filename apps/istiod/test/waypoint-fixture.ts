/** A real Envoy with what istiod makes for a waypoint, and the two ends of HBONE around it, on loopback addresses of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { ENVOY, type IssuedCertificate, type TestCa, testCa, waitFor } from '@ambient/testkit'
import type { EnvoyFields, EnvoyValue } from '@ambient/xds-proto'

/** Of this process: no other test has anything on these. */
const NET = `127.${(process.pid >> 8) % 250}.${process.pid % 250}`
/** In place of 15008, which something else on the machine may have on every address. */
const TUNNEL_PORT = 25_008
const READY_MS = 60_000

/** The address of a pod of a test. */
export function podIp(number: number): string {
  return `${NET}.${number}`
}

export interface Answer {
  readonly status: number
  /** What the app saw: the request's headers, and which pod it is. */
  readonly seen: Readonly<Record<string, string>>
}

export interface WaypointFixture extends AsyncDisposable {
  /** One request through the waypoint, as the node proxy of `account` sends it. */
  request(
    authority: string,
    options?: {
      readonly account?: string
      readonly method?: string
      readonly path?: string
      readonly headers?: Readonly<Record<string, string>>
    },
  ): Promise<Answer>
  /** What comes back for these bytes; empty when the tunnel is reset. */
  bytes(authority: string, sent: string, account?: string): Promise<string>
  /** What a connection with this certificate, or none, comes to. */
  connects(certificate: IssuedCertificate | undefined): Promise<boolean>
  readonly ca: TestCa
}

interface PodOfTest {
  readonly ip: string
  /** Whose certificate it has. */
  readonly account: string
}

/**
 * @param bootstrap With all that the waypoint has; certificates come from files here.
 * @param served A destination that it has.
 */
export async function startWaypoint(
  bootstrap: EnvoyFields,
  { pods, served }: { readonly pods: readonly PodOfTest[]; readonly served: string },
): Promise<WaypointFixture> {
  const folder = mkdtempSync(join(tmpdir(), 'waypoint-'))
  const ca = await testCa()
  const own = await ca.issue({ uris: ['spiffe://cluster.local/ns/shop/sa/waypoint'] })
  writeFileSync(join(folder, 'chain.pem'), own.certificateChainPem)
  writeFileSync(join(folder, 'key.pem'), own.privateKeyPem, { mode: 0o600 })
  writeFileSync(join(folder, 'roots.pem'), own.rootsPem)
  const destinations = await Promise.all(pods.map((pod) => startPod(pod, ca)))
  const envoy = await startEnvoy(folder, onLoopback(bootstrap, folder))
  const sessions = new Map<string, http2.ClientHttp2Session>()
  const sessionOf = async (account: string): Promise<http2.ClientHttp2Session> => {
    const known = sessions.get(account)
    if (known !== undefined) return known
    const certificate = await ca.issue({ uris: [`spiffe://cluster.local/ns/shop/sa/${account}`] })
    const session = connect(certificate, ca)
    await once(session, 'connect')
    sessions.set(account, session)
    return session
  }
  const open = async (authority: string, account: string): Promise<http2.ClientHttp2Stream> => {
    const session = await sessionOf(account)
    return session.request({ ':method': 'CONNECT', ':authority': authority })
  }
  return {
    ca,
    request: async (authority, { account = 'client', method = 'GET', path = '/', headers = {} } = {}) => {
      const tunnel = await open(authority, account)
      const request = http.request({
        method,
        path,
        headers: { host: 'web', ...headers },
        createConnection: () => tunnel,
      })
      request.end()
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      const text = await textOf(response)
      tunnel.destroy()
      const seen = response.headers['x-app'] === 'yes' ? (JSON.parse(text) as Answer['seen']) : {}
      return { status: response.statusCode ?? 0, seen }
    },
    bytes: async (authority, sent, account = 'client') => {
      const tunnel = await open(authority, account)
      let isOpen = false
      tunnel.on('response', ({ ':status': status }) => (isOpen = status === 200))
      let text = ''
      tunnel.on('data', (chunk: Buffer) => (text += chunk.toString()))
      tunnel.end(sent)
      await closed(tunnel)
      return isOpen ? text : ''
    },
    connects: async (certificate) => {
      const session = connect(certificate, ca)
      session.on('error', () => {})
      // With TLS 1.3 a refused certificate is told after the handshake: only an answer shows that it was taken.
      const stream = session.request({ ':method': 'CONNECT', ':authority': served })
      let isAnswered = false
      stream.on('response', () => {
        isAnswered = true
        stream.destroy()
      })
      await closed(stream)
      session.destroy()
      return isAnswered
    },
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions.values()) session.destroy()
      await envoy[Symbol.asyncDispose]()
      for (const destination of destinations) destination[Symbol.dispose]()
      rmSync(folder, { recursive: true })
    },
  }
}

function connect(certificate: IssuedCertificate | undefined, { rootPem }: TestCa): http2.ClientHttp2Session {
  return http2.connect(`https://${podIp(1)}:${TUNNEL_PORT}`, {
    ca: rootPem,
    ...(certificate === undefined
      ? {}
      : { cert: certificate.certificateChainPem, key: certificate.privateKeyPem }),
    checkServerIdentity: () => undefined,
  })
}

/** However it ends: a reset is an answer here. */
function closed(stream: Duplex): Promise<void> {
  stream.on('error', () => {})
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.on('close', resolve)
  return promise
}

async function textOf(response: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}

/** A pod and its node proxy: an app that answers what it sees, or for bytes, sends them back. */
async function startPod({ ip, account }: PodOfTest, ca: TestCa): Promise<Disposable> {
  const certificate = await ca.issue({ uris: [`spiffe://cluster.local/ns/shop/sa/${account}`] })
  const app = http.createServer((request, response) => {
    response.setHeader('x-app', 'yes')
    response.end(JSON.stringify({ ...request.headers, path: request.url, pod: ip }))
  })
  const proxy = http2.createSecureServer({
    cert: certificate.certificateChainPem,
    key: certificate.privateKeyPem,
    ca: ca.rootPem,
    requestCert: true,
  })
  const sessions = new Set<http2.ServerHttp2Session>()
  proxy.on('session', (session) => sessions.add(session))
  proxy.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    if (String(headers[':authority']).endsWith(':5432')) stream.pipe(stream)
    else app.emit('connection', stream)
  })
  proxy.listen(TUNNEL_PORT, ip)
  await once(proxy, 'listening')
  return {
    [Symbol.dispose]: () => {
      for (const session of sessions) session.destroy()
      proxy.close()
    },
  }
}

/** The same with certificates from files, and where nothing else is. */
function onLoopback(bootstrap: EnvoyFields, folder: string): EnvoyFields {
  const file = (name: string): EnvoyFields => ({ filename: join(folder, name) })
  const patched = (value: EnvoyValue | undefined): EnvoyValue | undefined => {
    if (Array.isArray(value)) return value.map((each) => patched(each as EnvoyValue) ?? null)
    if (typeof value !== 'object' || value === null) return value
    const {
      tls_certificate_sds_secret_configs: asked,
      combined_validation_context: combined,
      ...rest
    } = value as EnvoyFields
    const fields = Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, patched(each)]))
    if (fields['port_value'] === 15_008) return { address: podIp(1), port_value: TUNNEL_PORT }
    if (fields['upstream_port_override'] !== undefined) fields['upstream_port_override'] = TUNNEL_PORT
    if (asked === undefined) return fields
    const peers = (combined as EnvoyFields)['default_validation_context'] as EnvoyFields
    return {
      ...fields,
      tls_certificates: [{ certificate_chain: file('chain.pem'), private_key: file('key.pem') }],
      validation_context: { ...peers, trusted_ca: file('roots.pem') },
    }
  }
  return patched(bootstrap) as EnvoyFields
}

async function startEnvoy(folder: string, bootstrap: EnvoyFields): Promise<AsyncDisposable> {
  const path = join(folder, 'bootstrap.json')
  writeFileSync(path, JSON.stringify(bootstrap))
  const argv = ['--concurrency', '1', '--disable-hot-restart', '--config-path', path]
  const child = spawn(ENVOY, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk) => (said += String(chunk)))
  const ended = once(child, 'close')
  await waitFor(
    'Envoy’s listeners',
    () => child.exitCode !== null || said.includes('starting main dispatch loop'),
    { deadlineMs: READY_MS },
  )
  if (child.exitCode !== null) throw new Error(`Envoy ended with ${child.exitCode}: ${said}`)
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
