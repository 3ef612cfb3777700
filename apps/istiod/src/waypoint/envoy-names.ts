/**
 * Names of what an Envoy is configured with; they are Istio's, so that its tools read naturally.
 *
 * @see waypoint-envoy.md 3.1
 */
export const ENVOY_NAMES = {
  terminate: 'connect_terminate',
  internal: 'main_internal',
  originate: 'connect_originate',
  encap: 'encap',
  directHttp: 'direct-http',
  directTcp: 'direct-tcp',
  /** The cluster of the agent's socket, where certificates come from. */
  agent: 'agent',
} as const

/** Objects that go from a tunnel to the connections and requests inside it. */
export const FILTER_STATE = {
  destination: 'envoy.filters.listener.original_dst.local_ip',
  source: 'envoy.filters.listener.original_dst.remote_ip',
  authority: 'io.istio.connect_authority',
  peer: 'io.istio.peer_principal',
  self: 'io.istio.local_principal',
} as const

export type ChainProtocol = 'http' | 'tcp'

/** A service's port: its filter chain, its cluster, its endpoints and its routes have one name. */
export function servicePortName(host: string, port: number, protocol: ChainProtocol): string {
  return `inbound-vip|${port}|${protocol}|${host}`
}

/** The name of a chain where statistics are kept: dots and bars mean something there. */
export function statPrefix(chain: string): string {
  return chain.replaceAll('|', ';').replaceAll('.', '_')
}

export function authorizationName(verdict: 'deny' | 'allow', chain: string): string {
  return `authz.${verdict}|${chain}`
}
