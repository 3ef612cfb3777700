/** The whole program, in a pod's namespace, with a CA that gives anybody anything. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net, { type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { caMethods, CertificateIssuer, SelfSignedSource } from '@ambient/ca'
import { CaClient } from '@ambient/ca-client'
import { GrpcServer } from '@ambient/grpc'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import type { Workload } from '@ambient/model'
import { parseSpiffeId, type SpiffeId, spiffeId } from '@ambient/spiffe'
import { debugMemory, type IssuedCertificate, waitFor, type WaitOptions } from '@ambient/testkit'
import type { TestPod } from './pod-net.ts'

const PROGRAM = new URL('../bin/ztunnel', import.meta.url).pathname
const CA_PORT = 15_012
/** A process takes seconds to come up where others compute. */
export const START: WaitOptions = { deadlineMs: 60_000, everyMs: 50 }

export interface TestAuthority extends AsyncDisposable {
  readonly rootsPem: string
  /** Whom callers said they speak for; undefined for nobody but themselves. */
  readonly impersonated: readonly (string | undefined)[]
  certificate(workload: Workload): Promise<IssuedCertificate>
  /** Lets a pod reach it, at its own loopback. */
  offerTo(pod: TestPod): void
}

/** @param own Whom it takes a caller for that does not say so. */
export async function openAuthority(own: SpiffeId): Promise<TestAuthority> {
  const directory = mkdtempSync(join(tmpdir(), 'ztunnel-ca-'))
  const issuer = await CertificateIssuer.open({
    source: new SelfSignedSource({ directory, trustDomain: 'cluster.local', clock: systemClock }),
    clock: systemClock,
    defaultTtlSeconds: 3600,
    maxTtlSeconds: 172_800,
  })
  const impersonated: (string | undefined)[] = []
  const methods = caMethods(issuer, {
    authorize: (_caller, asked) => {
      impersonated.push(asked)
      return Promise.resolve({ kind: 'issue', id: asked === undefined ? own : parseSpiffeId(asked) })
    },
    onOutcome: () => {},
  })
  const certificate = await issuer.issueServing({ dnsNames: [], ips: ['127.0.0.1'] })
  const { rootsPem } = issuer
  const server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: { ...certificate, clientRootsPem: rootsPem },
    methods,
    random: systemRandom,
    onFault: (cause) => {
      throw cause
    },
  })
  const client = new CaClient({
    address: { host: '127.0.0.1', port: server.port, plaintext: false },
    roots: () => Promise.resolve(rootsPem),
    altHostname: undefined,
    token: () => Promise.resolve('jwt'),
    headers: {},
    clusterId: 'Kubernetes',
    ttlSeconds: 3600,
    clock: systemClock,
  })
  return {
    rootsPem,
    impersonated,
    certificate: async (workload) => {
      const { certificateChainPem, privateKeyPem } = await client.requestCertificate(
        spiffeId(workload),
        AbortSignal.timeout(10_000),
      )
      impersonated.pop()
      return { certificateChainPem, privateKeyPem, rootsPem }
    },
    offerTo: (pod) => {
      pod.listen(CA_PORT, (socket: Socket) => {
        const upstream = net.connect(server.port, '127.0.0.1')
        upstream.on('error', () => socket.destroy())
        socket.on('error', () => upstream.destroy())
        socket.pipe(upstream).pipe(socket)
      })
    },
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true })
    },
  }
}

export interface ZtunnelProcess extends AsyncDisposable {
  /** All that it said so far, of both streams. */
  readonly said: string
  readonly exitCode: number | null
  ready(): Promise<void>
  /** @returns Its exit code, once it has ended; null when the signal ended it. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>
}

/** Starts it inside `pod`, without a control plane, with a CA that `offerTo` has made reachable. */
export function startZtunnel(
  pod: TestPod,
  authority: Pick<TestAuthority, 'rootsPem'>,
  env: Readonly<Record<string, string>>,
): ZtunnelProcess {
  const child = spawn('nsenter', [`--net=${pod.path}`, '--', PROGRAM], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      XDS_ADDRESS: '',
      CA_ADDRESS: `https://127.0.0.1:${CA_PORT}`,
      CA_ROOT_CA: authority.rootsPem,
      AUTH_TOKEN: 'jwt',
      INPOD_UDS: '/nowhere/ztunnel.sock',
      ZTUNNEL_WORKER_THREADS: '1',
      IPV6_ENABLED: 'false',
      ...debugMemory(),
      ...env,
    },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)))
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    const ended = once(child, 'exit')
    child.kill(signal)
    const [code] = (await ended) as [number | null]
    return code
  }
  return {
    get said() {
      return said
    },
    get exitCode() {
      return child.exitCode
    },
    ready: async () => {
      await waitFor(
        'ztunnel to be ready',
        async () => (await pod.run('curl -s http://127.0.0.1:15021/healthz/ready')) === 'ready\n',
        START,
      )
    },
    kill,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) await kill('SIGTERM')
    },
  }
}
