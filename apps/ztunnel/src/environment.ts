/** How a variable of the environment is treated: read, refused at the start, or known and of no effect, which is logged. */
export interface EnvironmentVariable {
  readonly status: 'read' | 'refused' | 'without effect'
  /** A value other than the default; the tests set it. */
  readonly example: string
  readonly note?: string
  /** What goes with it. */
  readonly alongside?: Readonly<Record<string, string>>
}

/** Every variable that this proxy or upstream's reads, by name; `*` stands for any ending. The page of compatibility is made from it. */
export const ENVIRONMENT: Readonly<Record<string, EnvironmentVariable>> = {
  ALT_CA_HOSTNAME: { status: 'read', example: 'ca.example' },
  ALT_XDS_HOSTNAME: { status: 'read', example: 'xds.example' },
  AMBIENT_DEBUG_MEMORY: {
    status: 'read',
    example: 'true',
    note: 'our own: pointers, arenas, OpenSSL objects and descriptors are checked, and the process ends at a misuse; not for production',
  },
  AUTHZ_POLICY_INFO_LOGGING: {
    status: 'read',
    example: 'true',
    note: 'what policies on trial would have said is logged at level info, not debug',
  },
  AUTH_TOKEN: { status: 'read', example: '/run/token' },
  CA_ADDRESS: { status: 'read', example: 'https://ca:15012' },
  'CA_HEADER_*': { status: 'read', example: 'x' },
  CA_ROOT_CA: { status: 'read', example: 'SYSTEM' },
  CLUSTER_DOMAIN: {
    status: 'read',
    example: 'example.local',
    note: 'also in the node id that the control plane is told',
  },
  CLUSTER_ID: { status: 'read', example: 'east', note: 'after ISTIO_META_CLUSTER_ID' },
  COMPLIANCE_POLICY: {
    status: 'read',
    example: 'pqc',
    note: 'pqc: post-quantum key exchange only; other policies are refused',
  },
  CONNECTION_TERMINATION_DEADLINE: { status: 'read', example: '9s' },
  CRL_PATH: { status: 'read', example: '/run/crl', note: 'looked at every second; see docs/limits.md' },
  ENABLE_ORIG_SRC: { status: 'read', example: 'true' },
  ENABLE_PROXY: { status: 'without effect', example: 'false', note: 'this process is nothing but the proxy' },
  ENABLE_RESPONSE_BAGGAGE: { status: 'read', example: 'false' },
  FAKE_CA: { status: 'refused', example: 'true', note: 'upstream has it in test builds only' },
  HTTP2_CONNECTION_WINDOW_SIZE: { status: 'read', example: '1048576', note: 'from 65536 on' },
  HTTP2_FRAME_SIZE: { status: 'read', example: '16384' },
  HTTP2_STREAM_WINDOW_SIZE: {
    status: 'read',
    example: '65535',
    note: 'unset, a window grows with who keeps up, from 1 to 4 MiB',
  },
  INPOD_PORT_REUSE: {
    status: 'without effect',
    example: 'false',
    note: 'listeners of several threads, and of two versions side by side, need it',
  },
  INPOD_UDS: { status: 'read', example: '/run/zds.sock' },
  INSTANCE_IP: { status: 'read', example: '10.0.0.9' },
  IPV6_ENABLED: { status: 'read', example: 'false' },
  'ISTIO_METAJSON_*': { status: 'read', example: '{"a":1}' },
  'ISTIO_META_*': { status: 'read', example: 'x' },
  ISTIO_META_CLUSTER_ID: { status: 'read', example: 'west' },
  ISTIO_META_DNS_CAPTURE: { status: 'read', example: 'false' },
  ISTIO_META_DNS_PROXY_ADDR: { status: 'read', example: '127.0.0.1:5353' },
  ISTIO_META_ISTIO_VERSION: { status: 'read', example: '1.30' },
  KEEPALIVE_ENABLED: { status: 'read', example: 'false', note: 'HBONE servers ask by HTTP/2 pings instead' },
  KEEPALIVE_INTERVAL: { status: 'read', example: '1s' },
  KEEPALIVE_RETRIES: { status: 'read', example: '1' },
  KEEPALIVE_TIME: { status: 'read', example: '1s' },
  KUBERNETES_SERVICE_HOST: {
    status: 'read',
    example: '10.96.0.1',
    note: 'where the control plane is looked for if nobody says',
  },
  LOCALHOST_APP_TUNNEL: { status: 'read', example: 'false' },
  LOCAL_XDS: { status: 'read', example: '{}' },
  LOCAL_XDS_PATH: { status: 'read', example: '/run/mesh.yaml' },
  LOG_FORMAT: { status: 'read', example: 'json' },
  NETWORK: { status: 'read', example: 'far' },
  NODE_NAME: { status: 'read', example: 'node9' },
  PACKET_MARK: { status: 'read', example: '7' },
  POD_NAME: { status: 'read', example: 'ztunnel-x' },
  POD_NAMESPACE: { status: 'read', example: 'istio-system' },
  POOL_MAX_STREAMS_PER_CONNECTION: { status: 'read', example: '1', note: 'or what the peer allows if less' },
  POOL_UNUSED_RELEASE_TIMEOUT: { status: 'read', example: '1s' },
  PREFERED_SERVICE_NAMESPACE: { status: 'read', example: 'shop' },
  PROXY_CONFIG: {
    status: 'read',
    example: 'discoveryAddress: istiod:15012',
    note: 'over defaultConfig of ./etc/istio/config/mesh; discoveryAddress, proxyAdminPort, statsPort, concurrency, proxyMetadata',
  },
  PROXY_MODE: {
    status: 'read',
    example: 'dedicated',
    note: 'PROXY_WORKLOAD_INFO names the workload',
    alongside: { PROXY_WORKLOAD_INFO: 'shop/web/web' },
  },
  PROXY_WORKLOAD_INFO: {
    status: 'read',
    example: 'shop/web/web',
    note: 'with PROXY_MODE dedicated',
    alongside: { PROXY_MODE: 'dedicated' },
  },
  RUST_LOG: { status: 'read', example: 'debug' },
  SECRET_TTL: { status: 'read', example: '1h' },
  SERVICE_ACCOUNT: {
    status: 'read',
    example: 'ztunnel',
    note: 'with POD_NAME and POD_NAMESPACE',
    alongside: { POD_NAME: 'ztunnel-x', POD_NAMESPACE: 'istio-system' },
  },
  TERMINATION_GRACE_PERIOD_SECONDS: { status: 'read', example: '60', note: '0 counts as unset' },
  TLS12_ENABLED: { status: 'refused', example: 'true' },
  TRUST_DOMAIN: {
    status: 'without effect',
    example: 'example',
    note: 'the control plane says it of each workload, of our own pod as well',
  },
  UNSTABLE_ENABLE_SOCKS5: { status: 'read', example: 'true' },
  USER_TIMEOUT_ENABLED: { status: 'read', example: 'true' },
  XDS_ADDRESS: { status: 'read', example: 'https://xds:15012' },
  'XDS_HEADER_*': { status: 'read', example: 'x' },
  XDS_ON_DEMAND: {
    status: 'read',
    example: 'true',
    note: 'not with the DNS proxy',
    alongside: { ISTIO_META_DNS_CAPTURE: 'false' },
  },
  XDS_ROOT_CA: { status: 'read', example: 'SYSTEM' },
  ZTUNNEL_CPU_LIMIT: { status: 'read', example: '40', note: 'as many cores are counted' },
  ZTUNNEL_RESOURCE_CPU_LIMIT: { status: 'read', example: '4' },
  ZTUNNEL_RESOURCE_CPU_REQUEST: { status: 'read', example: '4' },
  ZTUNNEL_TLS_GROUPS: {
    status: 'read',
    example: 'X25519',
    note: 'our own: key-exchange groups of tunnels, preferred first',
  },
  ZTUNNEL_WORKER_THREADS: { status: 'read', example: '7' },
}

/** Names of those that are set and change nothing. */
export function withoutEffect(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(ENVIRONMENT)
    .filter(([name, { status }]) => status === 'without effect' && env[name] !== undefined)
    .map(([name]) => name)
}
