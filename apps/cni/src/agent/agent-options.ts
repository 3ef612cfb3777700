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
  /** A watched directory of Kubernetes YAML. */
  readonly configDirectory: string
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

export interface InstallOptions {
  readonly confDirectory: string
  readonly binDirectory: string
  readonly conf: ConfSettings
}

export type AgentCommand =
  | { readonly kind: 'run'; readonly options: AgentOptions }
  | { readonly kind: 'help' | 'version' }

export const HELP: string = `istio-cni-agent: takes the pods of this node into the mesh and out of it

usage: istio-cni-agent --config-dir DIR [--redirect-mode MODE] [--health-port N]

  --config-dir DIR   a watched directory of Kubernetes YAML: where pods and namespaces come from
  --redirect-mode MODE
                     iptables (default) or nftables: how pods' packets are steered to ztunnel
  --health-port N    port of /healthz and /readyz (8000)
  --help, --version

environment:
${describeVariables()}
`

/**
 * Reads arguments and environment; names and meanings of the environment are upstream's.
 *
 * @throws {CniError} `CONFIG_INVALID`, naming the setting, its value and what is expected.
 */
export function parseCommand(argv: readonly string[], env: Env): AgentCommand {
  const flags = parseFlags(argv)
  if (flags.has('--help')) return { kind: 'help' }
  if (flags.has('--version')) return { kind: 'version' }
  refuseUnsupported(env)
  return {
    kind: 'run',
    options: {
      nodeName: required('NODE_NAME', env['NODE_NAME']),
      podNamespace: text(env, 'POD_NAMESPACE'),
      configDirectory: required('--config-dir', flags.get('--config-dir')),
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
