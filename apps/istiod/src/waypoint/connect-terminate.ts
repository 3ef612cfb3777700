import type { EnvoyFields } from '@ambient/xds-proto'
import { ENVOY_NAMES, FILTER_STATE } from './envoy-names.ts'
import { type NamedFields, typed } from './envoy-resource.ts'
import { HBONE_HTTP2, hboneTls } from './hbone-tls.ts'
import { HASHABLE, httpFilter, ROUTER, shared, stateFormat } from './http-filters.ts'

/** Where node proxies connect. */
const HBONE_PORT = 15_008

/** What a sender's `baggage` says of itself: for telemetry, never for policy. */
const BAGGAGE: Readonly<Record<string, string>> = {
  app: 'service\\.name',
  cluster: 'k8s\\.cluster\\.name',
  version: 'service\\.version',
  workload: 'k8s\\.(?:deployment|statefulset|daemonset|job|cronjob|pod)\\.name',
}

/** The outer listener: it ends the tunnels of node proxies and hands on what is inside, with who sent it. */
export function connectTerminate(trustDomains: readonly string[]): NamedFields {
  const any = (address: string): EnvoyFields => ({ socket_address: { address, port_value: HBONE_PORT } })
  return {
    name: ENVOY_NAMES.terminate,
    address: any('0.0.0.0'),
    connection_balance_config: { exact_balance: {} },
    per_connection_buffer_limit_bytes: 1_048_576,
    traffic_direction: 'INBOUND',
    filter_chains: [
      {
        name: 'default',
        transport_socket_connect_timeout: '10s',
        transport_socket: {
          name: 'tls',
          typed_config: typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
            common_tls_context: hboneTls(trustDomains),
            require_client_certificate: true,
          }),
        },
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: tunnels() }],
      },
    ],
  }
}

function tunnels(): EnvoyFields {
  const connect = [{ upgrade_type: 'CONNECT' }]
  return typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: ENVOY_NAMES.terminate,
    codec_type: 'HTTP2',
    use_remote_address: false,
    forward_client_cert_details: 'SANITIZE',
    generate_request_id: false,
    stream_idle_timeout: '0s',
    request_headers_timeout: '10s',
    upgrade_configs: connect,
    http2_protocol_options: {
      ...HBONE_HTTP2,
      connection_keepalive: { interval: '10s', timeout: '20s' },
    },
    route_config: {
      name: 'default',
      virtual_hosts: [
        {
          name: 'default',
          domains: ['*'],
          routes: [
            {
              match: { connect_matcher: {} },
              route: {
                cluster: ENVOY_NAMES.internal,
                timeout: '0s',
                upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }],
              },
            },
          ],
        },
      ],
    },
    http_filters: [sourceLabels(), connectAuthority(), ROUTER],
  })
}

/** Once for each tunnel and not for each request. */
function sourceLabels(): EnvoyFields {
  return httpFilter('source_labels', 'envoy.extensions.filters.http.header_to_metadata.v3.Config', {
    request_rules: Object.entries(BAGGAGE).map(([key, field]) => ({
      header: 'baggage',
      on_header_present: {
        metadata_namespace: 'mesh.source',
        key,
        regex_value_rewrite: {
          pattern: { regex: `^(?:.*,)?${field}=([^,;]*).*$` },
          substitution: '\\1',
        },
      },
      on_header_missing: { metadata_namespace: 'mesh.source', key, value: 'unknown' },
    })),
  })
}

function connectAuthority(): EnvoyFields {
  return httpFilter('connect_authority', 'envoy.extensions.filters.http.set_filter_state.v3.Config', {
    on_request_headers: [
      shared(FILTER_STATE.destination, '%REQ(:AUTHORITY)%'),
      shared(FILTER_STATE.source, '%DOWNSTREAM_REMOTE_ADDRESS%'),
      shared(FILTER_STATE.authority, '%REQ(:AUTHORITY)%', HASHABLE),
      shared(FILTER_STATE.peer, '%DOWNSTREAM_PEER_URI_SAN%', HASHABLE),
      shared(FILTER_STATE.self, '%DOWNSTREAM_LOCAL_URI_SAN%', HASHABLE),
      ...Object.keys(BAGGAGE).map((key) =>
        shared(`mesh.source_${key}`, stateFormat('DYNAMIC_METADATA', `mesh.source:${key}`), HASHABLE),
      ),
    ],
  })
}
