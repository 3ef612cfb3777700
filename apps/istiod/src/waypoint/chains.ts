import type { EnvoyFields } from '@ambient/xds-proto'
import { networkRbac } from './authorization.ts'
import {
  authorizationName,
  type ChainProtocol,
  ENVOY_NAMES,
  servicePortName,
  statPrefix,
} from './envoy-names.ts'
import { FROM_ADS, typed } from './envoy-resource.ts'
import { ADDRESS_ON, httpFilter, ROUTER, WITHOUT_CLAIMS } from './http-filters.ts'
import type { L7Policy } from './l7-policy.ts'
import type { ServedService } from './served-traffic.ts'

/** One filter chain of the listener inside. */
export interface Chain {
  readonly name: string
  readonly protocol: ChainProtocol
  /** The port that it is for; none where it is for workloads by their own address. */
  readonly port: number | undefined
  readonly cluster: string
  readonly filters: readonly EnvoyFields[]
  readonly policies: readonly L7Policy[]
}

/** The chains of a service: one for each port and protocol. */
export function serviceChains(
  { service, ports }: ServedService,
  policies: readonly L7Policy[],
): readonly Chain[] {
  return ports.flatMap(({ port, protocols }) =>
    protocols.map((protocol) => {
      const name = servicePortName(service.hostname, port, protocol)
      return {
        name,
        protocol,
        port,
        cluster: name,
        policies,
        filters: filtersOf(name, protocol, name, policies),
      }
    }),
  )
}

/** The chains of workloads by their own address: where they go on to is where the tunnel was opened to. */
export function directChains(policies: readonly L7Policy[]): readonly Chain[] {
  const cluster = ENVOY_NAMES.encap
  const chain = (name: string, protocol: ChainProtocol): Chain => ({
    name,
    protocol,
    port: undefined,
    cluster,
    policies,
    filters: [ADDRESS_ON, ...filtersOf(name, protocol, cluster, policies)],
  })
  return [chain(ENVOY_NAMES.directHttp, 'http'), chain(ENVOY_NAMES.directTcp, 'tcp')]
}

function filtersOf(
  name: string,
  protocol: ChainProtocol,
  cluster: string,
  policies: readonly L7Policy[],
): readonly EnvoyFields[] {
  return protocol === 'http' ? [requests(name)] : [...networkRbac(policies), bytes(name, cluster)]
}

function requests(name: string): EnvoyFields {
  const manager = 'http_connection_manager'
  return {
    name: `envoy.filters.network.${manager}`,
    typed_config: typed(`envoy.extensions.filters.network.${manager}.v3.HttpConnectionManager`, {
      stat_prefix: statPrefix(name),
      rds: { route_config_name: name, config_source: FROM_ADS },
      use_remote_address: false,
      forward_client_cert_details: 'ALWAYS_FORWARD_ONLY', // the header is taken away by the first filter
      normalize_path: true,
      server_name: 'istio-envoy',
      stream_idle_timeout: '300s',
      request_headers_timeout: '10s',
      common_http_protocol_options: { idle_timeout: '3600s', max_headers_count: 200 },
      max_request_headers_kb: 60,
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      http2_protocol_options: {
        max_concurrent_streams: 100,
        initial_stream_window_size: 1_048_576,
        initial_connection_window_size: 4_194_304,
      },
      http_filters: [
        WITHOUT_CLAIMS,
        authorization('deny', name),
        authorization('allow', name),
        httpFilter('envoy.filters.http.fault', 'envoy.extensions.filters.http.fault.v3.HTTPFault'),
        httpFilter('envoy.filters.http.cors', 'envoy.extensions.filters.http.cors.v3.Cors'),
        ROUTER,
      ],
    }),
  }
}

/** There with or without a policy, so that the first one is no change of the listener. */
function authorization(verdict: 'deny' | 'allow', chain: string): EnvoyFields {
  return {
    name: authorizationName(verdict, chain),
    config_discovery: {
      config_source: FROM_ADS,
      type_urls: ['type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC'],
    },
  }
}

function bytes(name: string, cluster: string): EnvoyFields {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
      stat_prefix: statPrefix(name),
      cluster,
      idle_timeout: '3600s',
    }),
  }
}
