import type { EnvoyFields } from '@ambient/xds-proto'
import { ENVOY_NAMES, servicePortName } from './envoy-names.ts'
import { FROM_ADS, type NamedFields, typed } from './envoy-resource.ts'
import { HBONE_HTTP2, hboneTls } from './hbone-tls.ts'
import type { ServedPort, ServedService } from './served-traffic.ts'

const MOST = 4_294_967_295
/** No limits: a waypoint is not where an overload is decided. */
const NO_LIMITS: EnvoyFields = {
  thresholds: [
    {
      max_connections: MOST,
      max_pending_requests: MOST,
      max_requests: MOST,
      max_retries: MOST,
      track_remaining: true,
    },
  ],
}

/** Clusters that every waypoint has, whatever it serves. */
export function ownClusters(trustDomains: readonly string[]): readonly NamedFields[] {
  return [
    inside(ENVOY_NAMES.internal, ENVOY_NAMES.internal),
    inside(ENVOY_NAMES.encap, ENVOY_NAMES.originate),
    {
      name: ENVOY_NAMES.originate,
      alt_stat_name: `${ENVOY_NAMES.originate};`,
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      connect_timeout: '10s',
      cleanup_interval: '60s',
      circuit_breakers: NO_LIMITS,
      original_dst_lb_config: {
        upstream_port_override: 15_008,
        metadata_key: { key: 'envoy.filters.listener.original_dst', path: [{ key: 'waypoint' }] },
      },
      typed_extension_protocol_options: http({
        common_http_protocol_options: { idle_timeout: '3600s' },
        explicit_http_config: { http2_protocol_options: HBONE_HTTP2 },
      }),
      transport_socket: {
        name: 'tls',
        typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
          common_tls_context: hboneTls(trustDomains),
        }),
      },
    },
  ]
}

/** The clusters of a service's port, one for each protocol it may speak. Endpoints come by themselves. */
export function serviceClusters({ service }: ServedService, port: ServedPort): readonly NamedFields[] {
  const { hostname: host, name, namespace } = service
  return port.protocols.map((protocol) => ({
    name: servicePortName(host, port.port, protocol),
    type: 'EDS',
    eds_cluster_config: { eds_config: FROM_ADS },
    connect_timeout: '10s',
    circuit_breakers: NO_LIMITS,
    lb_policy: 'LEAST_REQUEST',
    common_lb_config: { healthy_panic_threshold: { value: 0 } },
    ...(protocol === 'http' ? { typed_extension_protocol_options: spoken(port) } : {}),
    metadata: { filter_metadata: { istio: { services: [{ host, name, namespace }] } } },
    transport_socket: internalUpstream(['envoy.filters.listener.original_dst', 'istio']),
  }))
}

function spoken({ http2 }: ServedPort): EnvoyFields {
  return http({
    common_http_protocol_options: { idle_timeout: '3600s' },
    explicit_http_config: http2
      ? {
          http2_protocol_options: {
            initial_stream_window_size: 1_048_576,
            initial_connection_window_size: 4_194_304,
          },
        }
      : { http_protocol_options: {} },
  })
}

function inside(name: string, listener: string): NamedFields {
  const endpoint = { address: { envoy_internal_address: { server_listener_name: listener } } }
  return {
    name,
    alt_stat_name: `${name};`,
    type: 'STATIC',
    connect_timeout: '10s',
    circuit_breakers: NO_LIMITS,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    typed_extension_protocol_options: http({
      use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} },
    }),
    transport_socket: internalUpstream([]),
  }
}

function http(fields: EnvoyFields): EnvoyFields {
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  return { [type]: typed(type, fields) }
}

function internalUpstream(metadata: readonly string[]): EnvoyFields {
  return {
    name: 'envoy.transport_sockets.internal_upstream',
    typed_config: typed('envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport', {
      passthrough_metadata: metadata.map((name) => ({ kind: { host: {} }, name })),
      transport_socket: {
        name: 'envoy.transport_sockets.raw_buffer',
        typed_config: typed('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'),
      },
    }),
  }
}
