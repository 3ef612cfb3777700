/** Configurations of an unmodified Envoy: either end of HBONE, and a waypoint. Files of certificates are `NAME.pem` and `NAME.key`. */

type Json = Readonly<Record<string, unknown>>

/** Where the app beside an Envoy client dials. */
export const ENVOY_ENTRANCE = 9001

export interface EnvoyBase {
  /** Of certificates, with `root.pem`. */
  readonly folder: string
  /** Whose certificate it shows. */
  readonly name: string
}

export interface WaypointServices {
  readonly vip: string
  /** The pod behind `vip`, which must prove this identity. */
  readonly endpoint: { readonly ip: string; readonly port: number; readonly identity: string }
  readonly httpPort: number
  readonly tcpPort: number
  /** Pods that have this waypoint themselves. */
  readonly workloadIp: string
  /** Who may use the TCP port. */
  readonly tcpPrincipal: string
}

const NETWORK = 'envoy.extensions.filters.network'
const HTTP = 'envoy.extensions.filters.http'
const ORIGINAL_DST = 'envoy.filters.listener.original_dst'
const HASHABLE = { factory_key: 'envoy.hashable_string' }
const HBONE_PORT = 15_008

/** Plain TCP at `ENVOY_ENTRANCE` of loopback becomes tunnels to `destination`. */
export function clientConfiguration(base: EnvoyBase, destination: { ip: string; port: number }): Json {
  const entrance = { socket_address: { address: '127.0.0.1', port_value: ENVOY_ENTRANCE } }
  const tunnel = tcpProxy('outbound', 'peer', {
    tunneling_config: { hostname: `${destination.ip}:${destination.port}` },
  })
  return bootstrap(
    [{ name: 'outbound', address: entrance, filter_chains: [{ filters: [tunnel] }] }],
    [{ ...fixedCluster('peer', destination.ip, HBONE_PORT), ...hboneUpstream(base) }],
  )
}

/** Tunnels at 15008 end at an app on loopback. */
export function serverConfiguration(base: EnvoyBase, appPort: number): Json {
  return bootstrap([terminate(base, 'app', [])], [fixedCluster('app', '127.0.0.1', appPort)])
}

/** Tunnels end here, are looked into or not, and go on in tunnels of the waypoint's own to the pod that is meant. */
export function waypointConfiguration(base: EnvoyBase, services: WaypointServices): Json {
  const { endpoint } = services
  const target = `${endpoint.ip}:${endpoint.port}`
  const toPod = {
    endpoint: {
      address: {
        envoy_internal_address: { server_listener_name: 'connect_originate', endpoint_id: target },
      },
    },
    metadata: {
      filter_metadata: { [ORIGINAL_DST]: { local: target }, istio: { identity: endpoint.identity } },
    },
  }
  const web = {
    ...staticCluster('web', toPod),
    transport_socket: internalUpstream([ORIGINAL_DST, 'istio']),
  }
  const originate = {
    name: 'connect_originate',
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    original_dst_lb_config: { upstream_port_override: HBONE_PORT },
    ...hboneUpstream(base),
  }
  return bootstrap(
    [terminate(base, 'main_internal', [connectAuthority()]), mainInternal(services), connectOriginate()],
    [internalCluster('main_internal'), internalCluster('encap', 'connect_originate'), web, originate],
  )
}

/** What crosses from the tunnel to the connection inside it. */
function connectAuthority(): Json {
  const shared = (key: string, format: string, more: Json = {}): Json => ({
    object_key: key,
    format_string: text(format),
    shared_with_upstream: 'ONCE',
    ...more,
  })
  return typed('connect_authority', `${HTTP}.set_filter_state.v3.Config`, {
    on_request_headers: [
      shared(`${ORIGINAL_DST}.local_ip`, '%REQ(:AUTHORITY)%'),
      shared(`${ORIGINAL_DST}.remote_ip`, '%DOWNSTREAM_REMOTE_ADDRESS%'),
      shared('io.istio.peer_principal', '%DOWNSTREAM_PEER_URI_SAN%', HASHABLE),
    ],
  })
}

/** By address and port of the tunnel: HTTP or bytes of the service, bytes of a pod. */
function mainInternal(services: WaypointServices): Json {
  const on = (chain: string): Json => ({
    action: typed(chain, 'google.protobuf.StringValue', { value: chain }),
  })
  const input = (name: string): Json =>
    typed(name, `envoy.extensions.matching.common_inputs.network.v3.${name}`, {})
  const ports = {
    input: input('DestinationPortInput'),
    exact_match_map: { map: { [services.httpPort]: on('http'), [services.tcpPort]: on('tcp') } },
  }
  const range = (ip: string, onMatch: Json): Json => ({
    ranges: [{ address_prefix: ip, prefix_len: 32 }],
    on_match: onMatch,
  })
  const ranges = [
    range(services.vip, { matcher: { matcher_tree: ports } }),
    range(services.workloadIp, on('direct')),
  ]
  const byIp = typed('ip', 'xds.type.matcher.v3.IPMatcher', { range_matchers: ranges })
  return {
    name: 'main_internal',
    internal_listener: {},
    listener_filters: [
      typed(ORIGINAL_DST, 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst', {}),
    ],
    filter_chain_matcher: {
      matcher_tree: { input: input('DestinationIPInput'), custom_match: byIp },
    },
    filter_chains: [
      { name: 'http', filters: [httpManager('http', 'web', [callerHeader()])] },
      { name: 'tcp', filters: [allowOnly(services.tcpPrincipal), tcpProxy('tcp', 'web')] },
      { name: 'direct', filters: [passAddressOn(), tcpProxy('direct', 'encap')] },
    ],
  }
}

/** The client's identity, for the app. */
function callerHeader(): Json {
  const value = 'URI=%FILTER_STATE(io.istio.peer_principal:PLAIN)%'
  return typed('caller', `${HTTP}.header_mutation.v3.HeaderMutation`, {
    mutations: {
      request_mutations: [
        {
          append: {
            header: { key: 'x-forwarded-client-cert', value },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        },
      ],
    },
  })
}

function allowOnly(principal: string): Json {
  const caller = { filter_state: { key: 'io.istio.peer_principal', string_match: { exact: principal } } }
  return typed('rbac', `${NETWORK}.rbac.v3.RBAC`, {
    stat_prefix: 'tcp.',
    rules: { action: 'ALLOW', policies: { callers: { permissions: [{ any: true }], principals: [caller] } } },
  })
}

/** The address is shared for one hop only; here it has to go one further. */
function passAddressOn(): Json {
  const key = `${ORIGINAL_DST}.local_ip`
  return typed('connect_authority', `${NETWORK}.set_filter_state.v3.Config`, {
    on_new_connection: [
      { object_key: key, format_string: text(`%FILTER_STATE(${key}:PLAIN)%`), shared_with_upstream: 'ONCE' },
    ],
  })
}

function connectOriginate(): Json {
  const identity = typed('expected_identity', `${NETWORK}.set_filter_state.v3.Config`, {
    on_new_connection: [
      {
        object_key: 'envoy.network.upstream_subject_alt_names',
        format_string: { ...text('%DYNAMIC_METADATA(istio:identity)%'), omit_empty_values: true },
        skip_if_empty: true,
        shared_with_upstream: 'ONCE',
      },
    ],
  })
  const tunnel = tcpProxy('connect_originate', 'connect_originate', {
    tunneling_config: { hostname: '%DOWNSTREAM_LOCAL_ADDRESS%' },
  })
  return {
    name: 'connect_originate',
    internal_listener: {},
    listener_filters: [
      typed(ORIGINAL_DST, 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst', {}),
    ],
    filter_chains: [{ filters: [identity, tunnel] }],
  }
}

function terminate(base: EnvoyBase, cluster: string, filters: readonly Json[]): Json {
  const context = { common_tls_context: tls(base), require_client_certificate: true }
  const upgrade = { upgrade_type: 'CONNECT' }
  return {
    name: 'connect_terminate',
    address: { socket_address: { address: '0.0.0.0', port_value: HBONE_PORT } },
    filter_chains: [
      {
        transport_socket: typed(
          'tls',
          'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
          context,
        ),
        filters: [
          httpManager('connect_terminate', cluster, filters, {
            codec_type: 'HTTP2',
            upgrade_configs: [upgrade],
            http2_protocol_options: { allow_connect: true },
            route_config: {
              virtual_hosts: [
                {
                  name: 'default',
                  domains: ['*'],
                  routes: [
                    {
                      match: { connect_matcher: {} },
                      route: {
                        cluster,
                        timeout: '0s',
                        upgrade_configs: [{ ...upgrade, connect_config: {} }],
                      },
                    },
                  ],
                },
              ],
            },
          }),
        ],
      },
    ],
  }
}

function httpManager(name: string, cluster: string, filters: readonly Json[], more: Json = {}): Json {
  return typed(name, `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`, {
    stat_prefix: name,
    stream_idle_timeout: '0s',
    forward_client_cert_details: 'ALWAYS_FORWARD_ONLY',
    route_config: {
      virtual_hosts: [
        {
          name: 'default',
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster, timeout: '0s' } }],
        },
      ],
    },
    ...more,
    http_filters: [...filters, typed('envoy.filters.http.router', `${HTTP}.router.v3.Router`, {})],
  })
}

function tcpProxy(name: string, cluster: string, more: Json = {}): Json {
  return typed(name, `${NETWORK}.tcp_proxy.v3.TcpProxy`, { stat_prefix: name, cluster, ...more })
}

function internalCluster(name: string, listener = name): Json {
  const address = { envoy_internal_address: { server_listener_name: listener } }
  return { ...staticCluster(name, { endpoint: { address } }), transport_socket: internalUpstream([]) }
}

function fixedCluster(name: string, ip: string, port: number): Json {
  return staticCluster(name, { endpoint: { address: { socket_address: { address: ip, port_value: port } } } })
}

function staticCluster(name: string, endpoint: Json): Json {
  return {
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [endpoint] }] },
  }
}

function internalUpstream(metadata: readonly string[]): Json {
  const sockets = 'envoy.extensions.transport_sockets'
  return typed('internal_upstream', `${sockets}.internal_upstream.v3.InternalUpstreamTransport`, {
    passthrough_metadata: metadata.map((name) => ({ kind: { host: {} }, name })),
    transport_socket: typed('raw', `${sockets}.raw_buffer.v3.RawBuffer`, {}),
  })
}

function hboneUpstream(base: EnvoyBase): Json {
  const type = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
  const context = { common_tls_context: tls(base) }
  return {
    typed_extension_protocol_options: {
      [type]: {
        '@type': `type.googleapis.com/${type}`,
        explicit_http_config: { http2_protocol_options: { allow_connect: true } },
      },
    },
    transport_socket: typed('tls', 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', context),
  }
}

function tls({ folder, name }: EnvoyBase): Json {
  const file = (end: string): Json => ({ filename: `${folder}/${end}` })
  return {
    alpn_protocols: ['h2'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [{ certificate_chain: file(`${name}.pem`), private_key: file(`${name}.key`) }],
    validation_context: {
      trusted_ca: file('root.pem'),
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
    },
  }
}

function bootstrap(listeners: readonly Json[], clusters: readonly Json[]): Json {
  const internal = typed(
    'envoy.bootstrap.internal_listener',
    'envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
    {},
  )
  return { bootstrap_extensions: [internal], static_resources: { listeners, clusters } }
}

function typed(name: string, type: string, fields: Json): Json {
  return { name, typed_config: { '@type': `type.googleapis.com/${type}`, ...fields } }
}

function text(format: string): Json {
  return { text_format_source: { inline_string: format } }
}
