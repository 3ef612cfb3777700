import type { AppProtocol } from '@ambient/model'

/** What a port says of itself. */
export interface PortWords {
  readonly port: number
  readonly name: string | undefined
  readonly protocol: string
  readonly appProtocol: string | undefined
}

/** Mail, DNS, MySQL, MongoDB: what speaks first on these is the server, so nobody may wait for the client. */
const SERVER_SPEAKS_FIRST: readonly number[] = [25, 53, 3306, 27_017]

/** What Kubernetes itself has names for. */
const KUBERNETES_NAMES: ReadonlyMap<string, AppProtocol> = new Map([
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http11'],
  ['kubernetes.io/wss', 'tls'],
])

/** As Istio's own resources name them; those without a word of their own on the wire are unknown there. */
const PROTOCOLS: ReadonlyMap<string, AppProtocol> = new Map([
  ['http', 'http11'],
  ['http2', 'http2'],
  ['grpc', 'grpc'],
  ['tls', 'tls'],
  ['https', 'tls'],
  ['tcp', 'tcp'],
  ...['udp', 'mongo', 'redis', 'mysql', 'grpc-web', 'http_proxy', 'hbone'].map(
    (name) => [name, 'unknown'] as const,
  ),
])

/** `appProtocol` if it is given, else what the port's name begins with. */
export function appProtocolOf({ port, name, protocol, appProtocol }: PortWords): AppProtocol {
  if (protocol === 'UDP') return 'unknown'
  const standard = KUBERNETES_NAMES.get(appProtocol ?? '')
  if (standard !== undefined) return standard
  const words = (appProtocol ?? name ?? '').toLowerCase()
  if (words.startsWith('grpc-web')) return 'unknown'
  return protocolNamed(words.split('-')[0] ?? '') ?? (SERVER_SPEAKS_FIRST.includes(port) ? 'tcp' : 'unknown')
}

/** @returns undefined for a word that is no protocol. */
export function protocolNamed(text: string): AppProtocol | undefined {
  return PROTOCOLS.get(text.toLowerCase())
}
