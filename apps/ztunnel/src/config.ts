import type { HboneLimits } from '@ambient/hbone'
import { canonicalIp } from '@ambient/model'
import type { DnsSettings } from './dns/dns-thread.ts'
import { nameserversOf, searchDomainsOf } from './dns/resolv-conf.ts'
import { ConfigError, durationMs, type Env, flag, integer } from './env-values.ts'
import { type TcpSettings, tcpSettings, tunnelLimits } from './connection-config.ts'
import type { ProxyConfig } from './proxy-config.ts'
import { workerThreads } from './worker-threads.ts'
import type { PodInfo } from './worker/messages.ts'

export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly plaintext: boolean
}

/** Where trusted roots come from: a file that is read anew at each connect, PEM text, or the system's own store. */
export type RootSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'pem'; readonly pem: string }
  | { readonly kind: 'system' }

export type TokenSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'literal'; readonly token: string }

/** Where a mesh that is written down is: see `readLocalMesh`. */
export type LocalMeshSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'text'; readonly text: string }

export interface ControlPlanePeer {
  readonly address: ServerAddress
  readonly roots: RootSource
  readonly altHostname: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

export interface ZtunnelConfig {
  readonly nodeName: string
  readonly network: string
  readonly clusterId: string
  readonly clusterDomain: string
  readonly podName: string
  readonly podNamespace: string
  readonly instanceIp: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly version: string
  /** The one workload that this process serves, in its own network namespace; undefined for those the agent tells of. */
  readonly dedicatedTo: PodInfo | undefined
  /** Our own pod, when it is to be reached through the mesh as well. */
  readonly ownPod: PodInfo | undefined
  readonly localMesh: LocalMeshSource | undefined
  readonly xds: ControlPlanePeer | undefined
  readonly ca: ControlPlanePeer | undefined
  readonly token: TokenSource | undefined
  readonly secretTtlSeconds: number
  /** Where revocation lists are, or may come to be; undefined for nowhere. */
  readonly crlPath: string | undefined
  readonly inpodSocket: string
  /** None where nothing tells our own packets by it. */
  readonly packetMark: number | undefined
  readonly ipv6: boolean
  readonly originalSource: 'always' | 'never' | 'best-effort'
  readonly tcp: TcpSettings
  /** Bounds of the table that are others here. */
  readonly tunnelLimits: Partial<HboneLimits>
  readonly tunnelsToLoopback: boolean
  readonly exchangesBaggage: boolean
  /** Addresses are asked of the control plane one by one, when a connection needs them. */
  readonly isOnDemand: boolean
  readonly socks5: boolean
  readonly logsPolicies: boolean
  /** The memory of the byte path is checked; the packages below look at the variable themselves, when they are loaded. */
  readonly debugsMemory: boolean
  /** Key-exchange groups of tunnels as OpenSSL names them, preferred first; undefined for our own choice. */
  readonly tlsGroups: string | undefined
  /** Undefined when pods' DNS is not ours. */
  readonly dns: DnsSettings | undefined
  readonly adminPort: number
  readonly statsPort: number
  readonly workerThreads: number
  readonly drainMs: number
  readonly logFilter: string
  readonly logFormat: 'plain' | 'json'
}

export interface Host {
  /** What the settings of all proxies say. */
  readonly proxyConfig: ProxyConfig
  readonly cpus: number
  readonly fileExists: (path: string) => boolean
  /** The text of `/etc/resolv.conf`. */
  readonly resolvConf: string
}

const DEFAULT_ROOT = './var/run/secrets/istio/root-cert.pem'
const DEFAULT_TOKEN = './var/run/secrets/tokens/istio-token'
const DEFAULT_MARK = 1337
const DEFAULT_DNS_ADDRESS = 'localhost:15053'

/**
 * Reads the environment that upstream's ztunnel reads (names, defaults and meanings are its own).
 *
 * @throws {ConfigError} `CONFIG_INVALID`, naming the variable, its value and what is expected.
 * @see ztunnel `src/config.rs`
 */
export function readConfig(env: Env, host: Host): ZtunnelConfig {
  const { proxyConfig } = host
  const metadata = { ...proxyConfig.metadata, ...proxyMetadata(env) }
  const isDnsCaptured = (metadataText(metadata, 'DNS_CAPTURE') ?? 'true').toLowerCase() === 'true'
  const served = servedPods(env)
  refuseUnsupported(env, isDnsCaptured)
  const clusterId = metadataText(metadata, 'CLUSTER_ID') ?? env['CLUSTER_ID'] ?? 'Kubernetes'
  return {
    ...ownPlace(env),
    clusterId,
    clusterDomain: env['CLUSTER_DOMAIN'] ?? 'cluster.local',
    metadata,
    version: metadataText(metadata, 'ISTIO_VERSION') ?? 'unknown',
    ...served,
    localMesh: localMesh(env),
    xds: controlPlanePeer(env, 'XDS', proxyConfig.discoveryAddress),
    ca: controlPlanePeer(env, 'CA'),
    token: tokenSource(env, host),
    secretTtlSeconds: durationMs(env, 'SECRET_TTL', 86_400_000) / 1000,
    crlPath: env['CRL_PATH'] === '' ? undefined : env['CRL_PATH'],
    inpodSocket: env['INPOD_UDS'] ?? '/var/run/ztunnel/ztunnel.sock',
    ipv6: flag(env, 'IPV6_ENABLED', true),
    originalSource: originalSource(env),
    tcp: tcpSettings(env),
    tunnelLimits: tunnelLimits(env),
    tunnelsToLoopback: flag(env, 'LOCALHOST_APP_TUNNEL', true),
    exchangesBaggage: flag(env, 'ENABLE_RESPONSE_BAGGAGE', true),
    isOnDemand: flag(env, 'XDS_ON_DEMAND', false),
    socks5: flag(env, 'UNSTABLE_ENABLE_SOCKS5', false),
    logsPolicies: flag(env, 'AUTHZ_POLICY_INFO_LOGGING', false),
    debugsMemory: flag(env, 'AMBIENT_DEBUG_MEMORY', false),
    tlsGroups: tlsGroups(env),
    dns: isDnsCaptured
      ? {
          ...dnsSettings(env, metadata, host),
          searchDomains: served.dedicatedTo && searchDomainsOf(host.resolvConf),
        }
      : undefined,
    ...operatorPorts(proxyConfig),
    workerThreads: workerThreads(env, host.cpus, proxyConfig.concurrency),
    drainMs: drainMs(env),
    logFilter: env['RUST_LOG'] ?? 'info',
    logFormat: env['LOG_FORMAT'] === 'json' ? 'json' : 'plain',
  }
}

function operatorPorts({
  adminPort = 15_000,
  statsPort = 15_020,
}: ProxyConfig): Pick<ZtunnelConfig, 'adminPort' | 'statsPort'> {
  return { adminPort, statsPort }
}

/** Where this proxy runs, as its pod spec tells it. */
function ownPlace(
  env: Env,
): Pick<ZtunnelConfig, 'nodeName' | 'network' | 'podName' | 'podNamespace' | 'instanceIp'> {
  return {
    nodeName: env['NODE_NAME'] ?? '',
    network: env['NETWORK'] ?? '',
    podName: env['POD_NAME'] ?? '',
    podNamespace: env['POD_NAMESPACE'] ?? '',
    instanceIp: env['INSTANCE_IP'] ?? '1.1.1.1',
  }
}

/** Whom this process serves, and how it tells its own packets. */
function servedPods(env: Env): Pick<ZtunnelConfig, 'dedicatedTo' | 'ownPod' | 'packetMark'> {
  const dedicatedTo = dedicatedWorkload(env)
  return dedicatedTo === undefined
    ? { dedicatedTo, ownPod: ownPod(env), packetMark: integer(env, 'PACKET_MARK', DEFAULT_MARK) }
    : { dedicatedTo, ownPod: undefined, packetMark: integer(env, 'PACKET_MARK', undefined) }
}

function dedicatedWorkload(env: Env): PodInfo | undefined {
  const mode = env['PROXY_MODE'] ?? 'shared'
  if (mode === 'shared') return undefined
  if (mode !== 'dedicated')
    throw new ConfigError(`Cannot use PROXY_MODE "${mode}": expected shared or dedicated`)
  const text = env['PROXY_WORKLOAD_INFO'] ?? ''
  const [, namespace, name, serviceAccount] = /^([^/]+)\/([^/]+)\/([^/]+)$/.exec(text) ?? []
  if (namespace === undefined || name === undefined || serviceAccount === undefined)
    throw new ConfigError(
      `Cannot use PROXY_WORKLOAD_INFO "${text}": with PROXY_MODE "dedicated" expected NAMESPACE/NAME/SERVICEACCOUNT`,
    )
  return { namespace, name, serviceAccount }
}

function ownPod(env: Env): PodInfo | undefined {
  const name = env['POD_NAME'] ?? ''
  const namespace = env['POD_NAMESPACE'] ?? ''
  const serviceAccount = env['SERVICE_ACCOUNT'] ?? ''
  return [name, namespace, serviceAccount].includes('') ? undefined : { name, namespace, serviceAccount }
}

function localMesh(env: Env): LocalMeshSource | undefined {
  const path = env['LOCAL_XDS_PATH'] ?? ''
  const text = env['LOCAL_XDS'] ?? ''
  if (path !== '' && text !== '')
    throw new ConfigError('Cannot use LOCAL_XDS and LOCAL_XDS_PATH together: unset one of them')
  if (path !== '') return { kind: 'file', path }
  return text === '' ? undefined : { kind: 'text', text }
}

/** What upstream offers and this version does not is refused at start, so that nobody believes it is in force. */
function refuseUnsupported(env: Env, isDnsCaptured: boolean): void {
  // A name is unknown only to who knows all names.
  if (isDnsCaptured && flag(env, 'XDS_ON_DEMAND', false))
    throw new ConfigError(
      'Cannot start with XDS_ON_DEMAND "true" and the DNS proxy: set ISTIO_META_DNS_CAPTURE to "false", or unset it',
    )
  for (const name of ['FAKE_CA', 'TLS12_ENABLED']) {
    if (flag(env, name, false))
      throw new ConfigError(`Cannot start with ${name} "true": not supported; unset it`)
  }
}

function controlPlanePeer(env: Env, prefix: 'XDS' | 'CA', preferred?: string): ControlPlanePeer | undefined {
  const inCluster = (env['KUBERNETES_SERVICE_HOST'] ?? '') !== ''
  const address =
    env[`${prefix}_ADDRESS`] ??
    preferred ??
    (inCluster ? 'https://istiod.istio-system.svc:15012' : 'https://localhost:15012')
  if (address === '') return undefined
  const headerPrefix = `${prefix}_HEADER_`
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(headerPrefix) && value !== undefined)
      headers[name.slice(headerPrefix.length).toLowerCase()] = value
  }
  return {
    address: serverAddress(`${prefix}_ADDRESS`, address),
    roots: rootSource(env[`${prefix}_ROOT_CA`] ?? DEFAULT_ROOT),
    altHostname: env[`ALT_${prefix}_HOSTNAME`],
    headers,
  }
}

function serverAddress(name: string, text: string): ServerAddress {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.hostname === '') {
    throw new ConfigError(`Cannot use ${name} "${text}": expected https://HOST:PORT`)
  }
  const plaintext = url.protocol === 'http:'
  const port = url.port === '' ? (plaintext ? 80 : 443) : Number(url.port)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port, plaintext }
}

function rootSource(text: string): RootSource {
  if (text === 'SYSTEM') return { kind: 'system' }
  return text.includes('-----BEGIN') ? { kind: 'pem', pem: text } : { kind: 'file', path: text }
}

function tokenSource(env: Env, host: Host): TokenSource | undefined {
  const text = env['AUTH_TOKEN'] ?? (host.fileExists(DEFAULT_TOKEN) ? DEFAULT_TOKEN : '')
  if (text === '') return undefined
  // A literal JWT holds no slash; a token file is named by its path and may appear later than we do.
  return text.includes('/') || host.fileExists(text)
    ? { kind: 'file', path: text }
    : { kind: 'literal', token: text }
}

/** `ISTIO_META_X` gives text, `ISTIO_METAJSON_X` any JSON; JSON that does not parse is left out as upstream does. */
function proxyMetadata(env: Env): Record<string, unknown> {
  const metadata: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue
    if (name.startsWith('ISTIO_META_')) metadata[name.slice('ISTIO_META_'.length)] = value
    if (!name.startsWith('ISTIO_METAJSON_')) continue
    try {
      metadata[name.slice('ISTIO_METAJSON_'.length)] = JSON.parse(value)
    } catch {
      // left out, see above
    }
  }
  return metadata
}

function metadataText(metadata: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = metadata[name]
  return typeof value === 'string' || typeof value === 'boolean' ? String(value) : undefined
}

function dnsSettings(
  env: Env,
  metadata: Readonly<Record<string, unknown>>,
  host: Host,
): Omit<DnsSettings, 'searchDomains'> {
  const preferredNamespace = env['PREFERED_SERVICE_NAMESPACE']
  const isIpv6 = flag(env, 'IPV6_ENABLED', true)
  const addresses = dnsAddresses(metadataText(metadata, 'DNS_PROXY_ADDR') ?? DEFAULT_DNS_ADDRESS)
  return {
    addresses: addresses.filter(({ ip }) => isIpv6 || !ip.includes(':')),
    nameservers: nameserversOf(host.resolvConf),
    clusterDomain: env['CLUSTER_DOMAIN'] ?? 'cluster.local',
    preferredNamespace: preferredNamespace === '' ? undefined : preferredNamespace,
  }
}

/** `localhost` is the loopback of either family; anything else is one address. */
function dnsAddresses(text: string): DnsSettings['addresses'] {
  const [, host = '', portText = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  const ip = canonicalIp(host.replace(/^\[|\]$/g, ''))
  const port = Number(portText)
  const ips = host === 'localhost' ? ['127.0.0.1', '::1'] : ip === undefined ? [] : [ip]
  if (ips.length === 0 || port < 1 || port > 65_535)
    throw new ConfigError(
      `Cannot use ISTIO_META_DNS_PROXY_ADDR "${text}": expected IP:PORT or localhost:PORT`,
    )
  return ips.map((address) => ({ ip: address, port }))
}

function originalSource(env: Env): ZtunnelConfig['originalSource'] {
  if ((env['ENABLE_ORIG_SRC'] ?? '') === '') return 'best-effort'
  return flag(env, 'ENABLE_ORIG_SRC', true) ? 'always' : 'never'
}

/** Post-quantum groups come first anyway; the policy makes them the only ones. */
function tlsGroups(env: Env): string | undefined {
  const policy = env['COMPLIANCE_POLICY'] ?? ''
  const text = env['ZTUNNEL_TLS_GROUPS'] ?? ''
  if (policy !== '' && policy !== 'pqc')
    throw new ConfigError(`Cannot use COMPLIANCE_POLICY "${policy}": expected pqc, or unset it`)
  if (policy === 'pqc') return 'X25519MLKEM768'
  if (text === '') return undefined
  if (/^[\w-]+(:[\w-]+)*$/.test(text)) return text
  throw new ConfigError(`Cannot use ZTUNNEL_TLS_GROUPS "${text}": expected names such as X25519:P-256`)
}

/** CONNECTION_TERMINATION_DEADLINE wins; else the pod's grace period less what the rest of the exit needs. */
function drainMs(env: Env): number {
  if (env['CONNECTION_TERMINATION_DEADLINE'] !== undefined)
    return durationMs(env, 'CONNECTION_TERMINATION_DEADLINE', 5000)
  const grace = integer(env, 'TERMINATION_GRACE_PERIOD_SECONDS', 0)
  if (grace === 0) return 5000
  return (grace > 10 ? grace - 5 : Math.max(1, grace - 1)) * 1000
}
