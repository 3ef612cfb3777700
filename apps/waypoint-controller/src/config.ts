import { parseArgs } from 'node:util'
import { CodedError, errorText } from '@ambient/lifecycle'
import { ports } from '@ambient/telemetry'
import type { WaypointDefaults } from './plan/plan-input.ts'

export interface ControllerConfig {
  readonly source:
    | { readonly kind: 'directory'; readonly directory: string }
    | {
        readonly kind: 'cluster'
        /** Undefined in a pod, where the service account's own files say everything. */
        readonly kubeconfig: string | undefined
        readonly environment: Readonly<Record<string, string | undefined>>
      }
  readonly defaults: WaypointDefaults
  readonly listenAddress: string
  /** 0 takes any that is free. */
  readonly monitoringPort: number
  readonly logFilter: string
  readonly logFormat: 'plain' | 'json'
}

export class ConfigError extends CodedError<'CONFIG_INVALID'> {
  constructor(message: string) {
    super('CONFIG_INVALID', message)
  }
}

export type Command =
  | { readonly kind: 'run'; readonly config: ControllerConfig }
  | { readonly kind: 'help' | 'version' }

type Env = Readonly<Record<string, string | undefined>>

export const HELP: string = `Usage: waypoint-controller [--config-dir DIR | --kubeconfig FILE] --image IMAGE

Deploys a waypoint for each Gateway of a class that istio.io/mesh-controller serves.

  --image IMAGE        of the waypoints it deploys (or WAYPOINT_IMAGE)
  --config-dir DIR     Kubernetes objects as YAML; watched, never edited. Without it, the API server is the source
  --kubeconfig FILE    how to reach the API server; not needed in a pod
  --listen ADDRESS     address of its port (default ::, which takes IPv4 too)
  --monitoring-port N  readiness, metrics, version (default ${ports.waypointController.port}; 0 takes any)
  --help, --version

Environment (default):
  POD_NAMESPACE (istio-system)       REVISION (default)              CLUSTER_ID (Kubernetes)
  NETWORK ()                         TRUST_DOMAIN (cluster.local)    DOMAIN_SUFFIX (cluster.local)
  DISCOVERY_ADDRESS (istiod.POD_NAMESPACE.svc:15012)                 IMAGE_PULL_POLICY (IfNotPresent)
  LOG_LEVEL (info)                   LOG_FORMAT (plain or json)      CONTROLLER_HEAP_MB (128)
`

const OPTIONS = {
  image: { type: 'string' },
  'config-dir': { type: 'string' },
  kubeconfig: { type: 'string' },
  listen: { type: 'string' },
  'monitoring-port': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const

type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/** @throws {ConfigError} `CONFIG_INVALID`, one line that names the flag or variable and its value. */
export function parseCommand(args: readonly string[], env: Env): Command {
  const flags = parseFlags(args)
  if (flags.help === true) return { kind: 'help' }
  if (flags.version === true) return { kind: 'version' }
  const namespace = text(env, 'POD_NAMESPACE', 'istio-system')
  const image = flags.image ?? text(env, 'WAYPOINT_IMAGE', '')
  if (image === '')
    throw new ConfigError('--image is missing, and so is WAYPOINT_IMAGE: name the image of waypoints')
  return {
    kind: 'run',
    config: {
      source: source(flags, env),
      defaults: {
        systemNamespace: namespace,
        revision: text(env, 'REVISION', 'default'),
        clusterId: text(env, 'CLUSTER_ID', 'Kubernetes'),
        network: text(env, 'NETWORK', ''),
        trustDomain: text(env, 'TRUST_DOMAIN', 'cluster.local'),
        domainSuffix: text(env, 'DOMAIN_SUFFIX', 'cluster.local'),
        discoveryAddress: text(
          env,
          'DISCOVERY_ADDRESS',
          `istiod.${namespace}.svc:${ports.istiodSecure.port}`,
        ),
        image,
        imagePullPolicy: choice(env, 'IMAGE_PULL_POLICY', ['IfNotPresent', 'Always', 'Never']),
      },
      listenAddress: flags.listen ?? '::',
      monitoringPort: port(flags['monitoring-port']),
      logFilter: text(env, 'LOG_LEVEL', 'info'),
      logFormat: choice(env, 'LOG_FORMAT', ['plain', 'json']),
    },
  }
}

function parseFlags(args: readonly string[]): Flags {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true }).values
  } catch (cause) {
    const [line = ''] = errorText(cause).split('\n')
    throw new ConfigError(`${line} (see waypoint-controller --help)`)
  }
}

function source({ 'config-dir': directory, kubeconfig }: Flags, env: Env): ControllerConfig['source'] {
  if (directory !== undefined && kubeconfig !== undefined)
    throw new ConfigError('--config-dir and --kubeconfig are two sources: take one of them away')
  if (directory !== undefined) return { kind: 'directory', directory }
  const { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = env
  if (kubeconfig === undefined && KUBERNETES_SERVICE_HOST === undefined)
    throw new ConfigError(
      '--config-dir is missing, and this is no pod: name a directory of YAML, or a cluster by --kubeconfig (see waypoint-controller --help)',
    )
  return { kind: 'cluster', kubeconfig, environment: { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } }
}

function port(value: string | undefined): number {
  if (value === undefined) return ports.waypointController.port
  const number = /^\d{1,5}$/.test(value) ? Number(value) : 65_536
  if (number > 65_535) throw new ConfigError(`--monitoring-port is no port: "${value}"`)
  return number
}

function text(env: Env, name: string, byDefault: string): string {
  const value = env[name]
  return value === undefined || value === '' ? byDefault : value
}

function choice<T extends string>(env: Env, name: string, allowed: readonly [T, ...T[]]): T {
  const value = text(env, name, allowed[0])
  const found = allowed.find((each) => each === value)
  if (found === undefined) throw new ConfigError(`${name} must be one of ${allowed.join(', ')}: "${value}"`)
  return found
}
