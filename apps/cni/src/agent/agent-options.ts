import { CniError } from '../cni-error.ts'
import type { ConfMode, ConfSettings } from '../install/plan-conf.ts'
import type { RedirectSettings } from '../redirect/redirect-backend.ts'
import { readRedirectOptions, type RedirectOptions } from './redirect-options.ts'
import { describeVariables, type Env, refuseUnsupported } from './agent-variables.ts'
import { address, confName, flag, invalid, port, required, text, words } from './env-values.ts'
import { readRepairOptions, type RepairOptions } from './repair-options.ts'
import { defaultSelectors, parseSelectors, type SelectionRules } from './select-pod.ts'

export interface AgentOptions {
  readonly nodeName: string
  readonly podNamespace: string
  readonly source: SourceOptions
  readonly runDirectory: string
  readonly zdsSocket: string
  readonly install: InstallOptions
  readonly selection: SelectionRules
  readonly settings: RedirectSettings
  readonly redirect: RedirectOptions
  readonly repair: RepairOptions
  /** Whether the host's rules belong to the namespace of PID 1 rather than to our own. */
  readonly switchToHostNetns: boolean
  /** Leave everything in place at the end unless it is known to be an uninstallation. */
  readonly safeUpgrade: boolean
  readonly healthPort: number
  readonly monitoringPort: number
  readonly logLevel: string
  readonly logFormat: 'plain' | 'json'
}

/** Where pods and namespaces come from. */
export type SourceOptions =
  /** A watched directory of Kubernetes YAML. */
  | { readonly kind: 'directory'; readonly directory: string }
  /** The API server; in a pod, the service account's own files say everything. */
  | { readonly kind: 'cluster'; readonly kubeconfig: string | undefined; readonly environment: Env }

export interface InstallOptions {
  readonly confDirectory: string
  readonly binDirectory: string
  readonly conf: ConfSettings
}

export type AgentCommand =
  | { readonly kind: 'run'; readonly options: AgentOptions }
  /** Takes every pod of the cluster out of the mesh, before an uninstallation. */
  | { readonly kind: 'unenrol-cluster'; readonly environment: Env; readonly namespace: string }
  | { readonly kind: 'help' | 'version' }

export const HELP: string = `istio-cni-agent: takes the pods of this node into the mesh and out of it

usage: istio-cni-agent [--config-dir DIR | --kubeconfig FILE] [--redirect-mode MODE] [--health-port N]

  --config-dir DIR   a watched directory of Kubernetes YAML: where pods and namespaces come from;
                     without it, the API server
  --kubeconfig FILE  how to reach the API server; not needed in a pod
  --redirect-mode MODE
                     iptables (default) or nftables: how pods' packets are steered to ztunnel
  --health-port N    port of /healthz and /readyz (8000)
  --help, --version

or: istio-cni-agent unenrol-cluster

  Takes every pod of the cluster out of the mesh, in the order that ends no connection, and waits
  until none is in it. The agents go on so until their DaemonSet is gone.

environment:
${describeVariables()}
`

/**
 * Reads arguments and environment; names and meanings of the environment are upstream's.
 *
 * @throws {CniError} `CONFIG_INVALID`, naming the setting, its value and what is expected.
 */
export function parseCommand(argv: readonly string[], env: Env): AgentCommand {
  const { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT } = env
  const environment = { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT }
  if (argv.length === 1 && argv[0] === 'unenrol-cluster')
    return { kind: 'unenrol-cluster', environment, namespace: text(env, 'POD_NAMESPACE') }
  const flags = parseFlags(argv)
  if (flags.has('--help')) return { kind: 'help' }
  if (flags.has('--version')) return { kind: 'version' }
  refuseUnsupported(env)
  return {
    kind: 'run',
    options: {
      nodeName: required('NODE_NAME', env['NODE_NAME']),
      podNamespace: text(env, 'POD_NAMESPACE'),
      source: readSource(flags, environment),
      runDirectory: text(env, 'CNI_AGENT_RUN_DIR'),
      zdsSocket: text(env, 'ZTUNNEL_UDS_ADDRESS'),
      install: readInstall(env),
      selection: readSelection(env),
      settings: readSettings(env),
      repair: readRepairOptions(env),
      redirect: readRedirectOptions(flags.get('--redirect-mode'), env),
      switchToHostNetns: flag(env, 'ALLOW_SWITCH_TO_HOST_NS'),
      safeUpgrade: !flag(env, 'AMBIENT_DISABLE_SAFE_UPGRADE'),
      healthPort: port('--health-port', flags.get('--health-port') ?? '8000'),
      monitoringPort: port('MONITORING_PORT', text(env, 'MONITORING_PORT')),
      logLevel: text(env, 'LOG_LEVEL'),
      logFormat: text(env, 'LOG_FORMAT') === 'json' ? 'json' : 'plain',
    },
  }
}

function readSource(flags: ReadonlyMap<string, string>, environment: Env): SourceOptions {
  const directory = flags.get('--config-dir')
  const kubeconfig = flags.get('--kubeconfig')
  if (directory !== undefined && kubeconfig !== undefined)
    throw new CniError('CONFIG_INVALID', 'Cannot use --config-dir and --kubeconfig: they are two sources')
  if (directory !== undefined) return { kind: 'directory', directory: required('--config-dir', directory) }
  if (kubeconfig === undefined && environment['KUBERNETES_SERVICE_HOST'] === undefined)
    throw new CniError(
      'CONFIG_INVALID',
      'Cannot start without --config-dir: this is no pod; name a directory of YAML, or a cluster by --kubeconfig',
    )
  return { kind: 'cluster', kubeconfig, environment }
}

function readInstall(env: Env): InstallOptions {
  const mode = readMode(env)
  return {
    confDirectory: text(env, 'MOUNTED_CNI_NET_DIR'),
    binDirectory: text(env, 'MOUNTED_CNI_BIN_DIR'),
    conf: {
      mode,
      ownName: mode === 'standalone' ? 'YYY-istio-cni.conf' : readOwnName(env),
      primaryName: confName(env, 'CNI_CONF_NAME'),
      fileMode: flag(env, 'CNI_CONF_GROUP_READ') ? 0o640 : 0o600,
      plugin: {
        type: 'istio-cni',
        name: 'istio-cni',
        cni_agent_run_dir: text(env, 'CNI_AGENT_RUN_DIR'),
        pod_namespace: text(env, 'POD_NAMESPACE'),
        exclude_namespaces: words(env, 'EXCLUDE_NAMESPACES'),
        // Without it, a runtime would call the node not ready during each upgrade, and after a reboot not even start the agent.
        ready_without_agent: true,
      },
    },
  }
}

function readMode(env: Env): ConfMode {
  if (!flag(env, 'CHAINED_CNI_PLUGIN')) return 'standalone'
  return flag(env, 'ISTIO_OWNED_CNI_CONFIG') ? 'owned' : 'chained'
}

function readOwnName(env: Env): string {
  const name =
    confName(env, 'ISTIO_OWNED_CNI_CONF_FILENAME') ?? confName(env, 'ISTIO_OWNED_CNI_CONFIG_FILENAME')
  if (name?.endsWith('istio-cni.conflist') === true) return name
  const expected =
    'expected a name that ends in istio-cni.conflist, by which the file is known to be the agent’s'
  throw invalid('ISTIO_OWNED_CNI_CONFIG_FILENAME', name ?? '', expected)
}

function readSelection(env: Env): SelectionRules {
  const selector = text(env, 'AMBIENT_ENABLEMENT_SELECTOR')
  return {
    selectors: selector === '' ? defaultSelectors : parseSelectors(selector),
    excludeNamespaces: new Set(words(env, 'EXCLUDE_NAMESPACES')),
    systemNamespace: text(env, 'SYSTEM_NAMESPACE'),
  }
}

function readSettings(env: Env): RedirectSettings {
  return {
    ipv6: flag(env, 'AMBIENT_IPV6'),
    dnsCapture: flag(env, 'AMBIENT_DNS_CAPTURE'),
    ingressOnly: false,
    virtualInterfaces: [],
    probe: {
      v4: address(env, 'HOST_PROBE_SNAT_IP'),
      v6: address(env, 'HOST_PROBE_SNAT_IPV6'),
    },
  }
}

const TAKES_VALUE: Readonly<Record<string, boolean>> = {
  '--config-dir': true,
  '--kubeconfig': true,
  '--health-port': true,
  '--redirect-mode': true,
  '--help': false,
  '--version': false,
}

function parseFlags(argv: readonly string[]): ReadonlyMap<string, string> {
  const flags = new Map<string, string>()
  for (let at = 0; at < argv.length; at++) {
    const [name = '', inline] = (argv[at] ?? '').split(/=(.*)/s)
    const takesValue = TAKES_VALUE[name]
    if (takesValue === undefined)
      throw new CniError('CONFIG_INVALID', `Cannot use argument "${argv[at] ?? ''}"; see --help`)
    const value = takesValue ? (inline ?? argv[++at]) : ''
    if (value === undefined) throw new CniError('CONFIG_INVALID', `Cannot use ${name}: it needs a value`)
    flags.set(name, value)
  }
  return flags
}
