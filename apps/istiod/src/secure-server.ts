import { Server, ServerCredentials } from '@grpc/grpc-js'

export interface SecureServerOptions {
  readonly address: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  /** Adds the services. */
  readonly register: (server: Server) => void
}

export interface SecureServer extends AsyncDisposable {
  readonly port: number
}

const LIMITS = {
  'grpc.max_concurrent_streams': 100_000,
  // A client that resumes names everything it holds, some 85 bytes each: 4 MiB would lock it out at 50,000 workloads.
  'grpc.max_receive_message_length': 32 << 20,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // Each reconnect costs no more than what changed, so that clients spread over replicas again.
  'grpc.max_connection_age_ms': 30 * 60_000,
  'grpc.max_connection_age_grace_ms': 10_000,
}
const SHUTDOWN_GRACE_MS = 2_000

/** gRPC over TLS. Ending it lets calls that are running end within two seconds, then cuts them. */
export async function serveSecure(options: SecureServerOptions): Promise<SecureServer> {
  const server = new Server(LIMITS)
  options.register(server)
  const keys = [
    { private_key: Buffer.from(options.privateKeyPem), cert_chain: Buffer.from(options.certificateChainPem) },
  ]
  const host = options.address.includes(':') ? `[${options.address}]` : options.address
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${host}:${options.port}`, ServerCredentials.createSsl(null, keys), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return { port, [Symbol.asyncDispose]: () => stop(server) }
}

async function stop(server: Server): Promise<void> {
  const timer = setTimeout(() => server.forceShutdown(), SHUTDOWN_GRACE_MS)
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
  clearTimeout(timer)
}
