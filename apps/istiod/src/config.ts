import { parseArgs } from 'node:util'
import { CodedError } from '@ambient/lifecycle'
import { isIpv6 } from '@ambient/model'
import { isTrustDomain } from '@ambient/spiffe'
import { ports } from '@ambient/telemetry'
import { type AddressPrefix, parsePrefix } from './allocate/address-pool.ts'
import type { AddressRanges } from './allocate/plan-addresses.ts'

export interface IstiodConfig {
  readonly source: SourceConfig
  /** Holds the CA's root and its key. */
  /** The mesh's other clusters, whose workloads and global services are known here too. */
  readonly remoteClusters: readonly { readonly id: string; readonly directory: string }[]
  readonly stateDirectory: string
  /** A CA that somebody else issued, if there is one. */
  readonly caDirectory: string
  readonly listenAddress: string
  /** 0 takes any that is free. */
  readonly securePort: number
  readonly monitoringPort: number
  readonly httpPort: number
  /** The object that says which admission reviews come here; without it none is served. */
  readonly webhookName: string | undefined
  /** The ClusterRole that stands for the installation: what istiod makes in other namespaces goes with it. */
  readonly ownerRole: string | undefined
  readonly webhookPort: number
  readonly clusterId: string
  readonly trustDomain: string
  readonly domainSuffix: string
  /** Where istiod itself runs; also the root namespace of policies. */
  readonly namespace: string
  /** Which of several control planes this is. */
  readonly revision: string
  /** Where virtual IPs of ServiceEntries come from; undefined gives none. */
  readonly addressRanges: AddressRanges | undefined
  /** Names and addresses in the serving certificate, besides istiod's own. */
  readonly customHosts: readonly string[]
  readonly trustedNodeAccounts: readonly string[]
  readonly tokenAudiences: readonly string[]
  /** Of tokens that are checked by --jwks; none means any. */
  readonly tokenIssuers: readonly string[]
  /** Namespaces, besides istiod's own, whose callers may see every dump. */
  readonly debugNamespaces: readonly string[]
  readonly defaultCertTtlSeconds: number
  readonly maxCertTtlSeconds: number
  /** Whether the revocation lists of a plugged-in CA are given out. */
  readonly givesRevocations: boolean
  /** Whether proxies that ask for it are told the roots of every trust domain. */
  readonly givesAllRoots: boolean
  readonly dryRunPolicies: boolean
  readonly autoAllowWaypoints: boolean
  /** Whether conditions are written into the status of objects. */
  readonly writesStatus: boolean
  readonly logFilter: string
  readonly logFormat: 'plain' | 'json'
}

/** Where objects come from, and what knows the callers' tokens. */
export type SourceConfig =
  | {
      readonly kind: 'directory'
      readonly directory: string
      /** The keys of service-account tokens. */
      readonly jwksFile: string
    }
  | {
      readonly kind: 'cluster'
      /** Undefined in a pod, where the service account's own files say everything. */
      readonly kubeconfig: string | undefined
      readonly environment: Readonly<Record<string, string | undefined>>
    }

export class ConfigError extends CodedError<'CONFIG_INVALID'> {
  constructor(message: string) {
    super('CONFIG_INVALID', message)
  }
}

export type Command =
  | { readonly kind: 'run'; readonly config: IstiodConfig }
  | { readonly kind: 'help' | 'version' }

type Env = Readonly<Record<string, string | undefined>>

export const HELP: string = `Usage: istiod [--config-dir DIR --jwks FILE | --kubeconfig FILE] --state-dir DIR [--listen ADDRESS]

The control plane of an ambient mesh: delta xDS and the CA for node proxies.

  --config-dir DIR     Kubernetes objects as YAML; watched, never edited. Without it, the API server is the source
  --kubeconfig FILE    how to reach the API server; not needed in a pod
  --jwks FILE          with --config-dir: the keys that sign service-account tokens, as a JSON Web Key Set
  --remote-config-dir CLUSTER=DIR
                       objects of another cluster of the mesh; as often as there are others
  --state-dir DIR      the CA's root and key; made at the first start
  --listen ADDRESS     address of every port (default ::, which takes IPv4 too)
  --secure-port N      delta xDS and CA over TLS (default ${ports.istiodSecure.port}; 0 takes any)
  --monitoring-port N  metrics, version, debug (default ${ports.istiodMonitoring.port})
  --http-port N        readiness (default ${ports.istiodReadiness.port})
  --webhook-port N     admission reviews over TLS (default ${ports.istiodWebhook.port})
  --help, --version

Environment (default):
  CLUSTER_ID (Kubernetes)            TRUST_DOMAIN (cluster.local)    DOMAIN_SUFFIX (cluster.local)
  POD_NAMESPACE (istio-system)       ISTIOD_CUSTOM_HOST              TOKEN_AUDIENCES (istio-ca)
  REVISION (default)                 PILOT_ENABLE_IP_AUTOALLOCATE (true)
  PILOT_IP_AUTOALLOCATE_IPV4_PREFIX (240.240.0.0/16)
  PILOT_IP_AUTOALLOCATE_IPV6_PREFIX (2001:2::/48)
  CA_TRUSTED_NODE_ACCOUNTS (POD_NAMESPACE/ztunnel)    ROOT_CA_DIR (/etc/cacerts)
  DEFAULT_WORKLOAD_CERT_TTL (24h)    MAX_WORKLOAD_CERT_TTL (2160h)
  PILOT_ENABLE_CA_CRL (true)         ISTIO_MULTIROOT_MESH (false)
  AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY (false)             AMBIENT_ENABLE_STATUS (true)
  PILOT_AUTO_ALLOW_WAYPOINT_POLICY (false)                        VALIDATION_WEBHOOK_CONFIG_NAME (none)
  OWNER_CLUSTER_ROLE (none)
  TOKEN_ISSUERS (with --jwks)        DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES
  LOG_LEVEL (info)                   LOG_FORMAT (plain or json)      ISTIOD_HEAP_MB (512)
`

const OPTIONS = {
  'config-dir': { type: 'string' },
  'remote-config-dir': { type: 'string', multiple: true },
  jwks: { type: 'string' },
  kubeconfig: { type: 'string' },
  'state-dir': { type: 'string' },
  listen: { type: 'string' },
  'secure-port': { type: 'string' },
  'monitoring-port': { type: 'string' },
  'http-port': { type: 'string' },
  'webhook-port': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

/** @throws {ConfigError} `CONFIG_INVALID`, one line that names the flag or variable and its value. */
export function parseCommand(args: readonly string[], env: Env): Command {
  const flags = parseFlags(args)
  if (flags.help === true) return { kind: 'help' }
  if (flags.version === true) return { kind: 'version' }
  const namespace = text(env, 'POD_NAMESPACE', 'istio-system')
  const trustDomain = text(env, 'TRUST_DOMAIN', 'cluster.local')
  if (!isTrustDomain(trustDomain)) throw new ConfigError(`TRUST_DOMAIN is no trust domain: "${trustDomain}"`)
  const defaultCertTtlSeconds = seconds(env, 'DEFAULT_WORKLOAD_CERT_TTL', '24h')
  const maxCertTtlSeconds = seconds(env, 'MAX_WORKLOAD_CERT_TTL', '2160h')
  if (defaultCertTtlSeconds > maxCertTtlSeconds) {
    throw new ConfigError('DEFAULT_WORKLOAD_CERT_TTL is longer than MAX_WORKLOAD_CERT_TTL')
  }
  return {
    kind: 'run',
    config: {
      source: source(flags, env),
      remoteClusters: remoteClusters(flags, text(env, 'CLUSTER_ID', 'Kubernetes')),
      stateDirectory: required(flags, 'state-dir'),
      caDirectory: text(env, 'ROOT_CA_DIR', '/etc/cacerts'),
      listenAddress: flags.listen ?? '::',
      securePort: port(flags, 'secure-port', ports.istiodSecure.port),
      monitoringPort: port(flags, 'monitoring-port', ports.istiodMonitoring.port),
      httpPort: port(flags, 'http-port', ports.istiodReadiness.port),
      webhookName: text(env, 'VALIDATION_WEBHOOK_CONFIG_NAME', '') || undefined,
      ownerRole: text(env, 'OWNER_CLUSTER_ROLE', '') || undefined,
      webhookPort: port(flags, 'webhook-port', ports.istiodWebhook.port),
      clusterId: text(env, 'CLUSTER_ID', 'Kubernetes'),
      trustDomain,
      domainSuffix: text(env, 'DOMAIN_SUFFIX', 'cluster.local'),
      namespace,
      revision: text(env, 'REVISION', 'default'),
      addressRanges: addressRanges(env),
      customHosts: list(env, 'ISTIOD_CUSTOM_HOST', ''),
      trustedNodeAccounts: list(env, 'CA_TRUSTED_NODE_ACCOUNTS', `${namespace}/ztunnel`),
      tokenAudiences: list(env, 'TOKEN_AUDIENCES', 'istio-ca'),
      tokenIssuers: list(env, 'TOKEN_ISSUERS', ''),
      debugNamespaces: list(env, 'DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES', ''),
      defaultCertTtlSeconds,
      maxCertTtlSeconds,
      givesRevocations: flag(env, 'PILOT_ENABLE_CA_CRL', 'true'),
      givesAllRoots: flag(env, 'ISTIO_MULTIROOT_MESH', 'false'),
      dryRunPolicies: flag(env, 'AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY', 'false'),
      autoAllowWaypoints: flag(env, 'PILOT_AUTO_ALLOW_WAYPOINT_POLICY', 'false'),
      writesStatus: flag(env, 'AMBIENT_ENABLE_STATUS', 'true'),
      logFilter: text(env, 'LOG_LEVEL', 'info'),
      logFormat: logFormat(env),
    },
  }
}

type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

function parseFlags(args: readonly string[]): Flags {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values
  } catch (cause) {
    const [line = ''] = cause instanceof Error ? cause.message.split('\n') : []
    throw new ConfigError(`${line} (see istiod --help)`)
  }
}

function source(flags: Flags, env: Env): SourceConfig {
  const { 'config-dir': directory, kubeconfig } = flags
  if (directory !== undefined && kubeconfig !== undefined)
    throw new ConfigError('--config-dir and --kubeconfig are two sources: take one of them away')
  if (directory !== undefined)
    return {
      kind: 'directory',
      directory: required(flags, 'config-dir'),
      jwksFile: required(flags, 'jwks'),
    }
  const { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = env
  if (kubeconfig === undefined && KUBERNETES_SERVICE_HOST === undefined)
    throw new ConfigError(
      '--config-dir is missing, and this is no pod: name a directory of YAML, or a cluster by --kubeconfig (see istiod --help)',
    )
  return { kind: 'cluster', kubeconfig, environment: { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } }
}

function remoteClusters(flags: Flags, ownId: string): IstiodConfig['remoteClusters'] {
  const clusters = (flags['remote-config-dir'] ?? []).map((given) => {
    const [, id, directory] = /^([a-z0-9][a-z0-9._-]*)=(.+)$/i.exec(given) ?? []
    if (id === undefined || directory === undefined)
      throw new ConfigError(`--remote-config-dir is not CLUSTER=DIR: "${given}"`)
    return { id, directory }
  })
  const ids = [ownId, ...clusters.map(({ id }) => id)]
  const twice = ids.find((id, at) => ids.indexOf(id) < at)
  if (twice !== undefined) throw new ConfigError(`--remote-config-dir has a cluster twice: "${twice}"`)
  return clusters
}

function required(flags: Flags, name: 'config-dir' | 'jwks' | 'state-dir'): string {
  const value = flags[name]
  if (value === undefined || value === '') throw new ConfigError(`--${name} is missing (see istiod --help)`)
  return value
}

function port(
  flags: Flags,
  name: 'secure-port' | 'monitoring-port' | 'http-port' | 'webhook-port',
  byDefault: number,
): number {
  const value = flags[name]
  if (value === undefined) return byDefault
  const number = /^\d{1,5}$/.test(value) ? Number(value) : 65_536
  if (number > 65_535) throw new ConfigError(`--${name} is no port: "${value}"`)
  return number
}

function text(env: Env, name: string, byDefault: string): string {
  const value = env[name]
  return value === undefined || value === '' ? byDefault : value
}

function list(env: Env, name: string, byDefault: string): readonly string[] {
  return (env[name] ?? byDefault)
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function flag(env: Env, name: string, byDefault: 'true' | 'false'): boolean {
  const value = text(env, name, byDefault)
  if (value !== 'true' && value !== 'false')
    throw new ConfigError(`${name} is neither true nor false: "${value}"`)
  return value === 'true'
}

/** A duration as Go writes it: `24h`, `90m`, `1h30m`. */
function seconds(env: Env, name: string, byDefault: string): number {
  const value = text(env, name, byDefault)
  const [, hours = '', minutes = '', rest = ''] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(value) ?? []
  const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(rest)
  if (total <= 0) throw new ConfigError(`${name} is no duration such as 24h or 90m: "${value}"`)
  return total
}

function addressRanges(env: Env): AddressRanges | undefined {
  const range = (name: string, byDefault: string, bits: number): AddressPrefix => {
    const value = text(env, name, byDefault)
    const prefix = parsePrefix(value)
    if (prefix === undefined || prefix.length >= bits || isIpv6(prefix.ip) !== (bits === 128))
      throw new ConfigError(`${name} is no range of IPv${bits === 128 ? 6 : 4} addresses: "${value}"`)
    return prefix
  }
  const ipv4 = range('PILOT_IP_AUTOALLOCATE_IPV4_PREFIX', '240.240.0.0/16', 32)
  const ipv6 = range('PILOT_IP_AUTOALLOCATE_IPV6_PREFIX', '2001:2::/48', 128)
  return flag(env, 'PILOT_ENABLE_IP_AUTOALLOCATE', 'true') ? { ipv4, ipv6 } : undefined
}

function logFormat(env: Env): 'plain' | 'json' {
  const value = text(env, 'LOG_FORMAT', 'plain')
  if (value !== 'plain' && value !== 'json')
    throw new ConfigError(`LOG_FORMAT is neither plain nor json: "${value}"`)
  return value
}
