import { ChannelCredentials, Client, Metadata } from '@grpc/grpc-js'
import { serverIdentity } from './server-identity.ts'

/** Where the control plane is and how it is told who calls. */
export interface ControlPlaneOptions {
  readonly address: { readonly host: string; readonly port: number; readonly plaintext: boolean }
  /** PEM; read anew at each connect. */
  readonly roots: () => Promise<string>
  /** A second server name that is accepted. */
  readonly altHostname: string | undefined
  /** Read anew for each call. */
  readonly token: () => Promise<string | undefined>
  readonly headers: Readonly<Record<string, string>>
  readonly clusterId: string
}

/** What a channel is opened with. */
export interface ChannelTarget extends Pick<ControlPlaneOptions, 'address' | 'altHostname'> {
  /** PEM; of no account over plaintext. */
  readonly rootsPem: string
  readonly maxMessageBytes: number
}

/** A gRPC client of its own connection; nothing is dialled before the first call. */
export function openChannel({ address, altHostname, rootsPem, maxMessageBytes }: ChannelTarget): Client {
  const { host, port, plaintext } = address
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const identity = serverIdentity(host, altHostname)
  const options = {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 5000,
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    // What the environment or the DNS says of proxies and service configuration concerns other programs.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    ...identity.channelOptions,
  }
  if (plaintext) return new Client(target, ChannelCredentials.createInsecure(), options)
  return new Client(
    target,
    ChannelCredentials.createSsl(Buffer.from(rootsPem), null, null, {
      checkServerIdentity: identity.check,
    }),
    options,
  )
}

/** @throws What reading the token throws. */
export async function callMetadata({ token, headers, clusterId }: ControlPlaneOptions): Promise<Metadata> {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const bearer = await token()
  if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`)
  metadata.set('clusterid', clusterId)
  return metadata
}
