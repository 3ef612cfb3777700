import { canonicalIp } from '@ambient/model'
import { CniError } from '../cni-error.ts'
import type { RedirectSettings } from '../redirect/redirect-backend.ts'
import { type Env, flag, invalid, text } from './env-values.ts'
import { readRedirectOptions, type RedirectOptions } from './redirect-options.ts'
import { defaultSelectors, parseSelectors, type SelectionRules } from './select-pod.ts'

export interface AgentOptions {
  readonly nodeName: string
  readonly podNamespace: string
  /** A watched directory of Kubernetes YAML. */
  readonly configDirectory: string
  readonly runDirectory: string
  readonly zdsSocket: string
  readonly selection: SelectionRules
  readonly settings: RedirectSettings
  readonly redirect: RedirectOptions
  /** Whether the host's rules belong to the namespace of PID 1 rather than to our own. */
  readonly switchToHostNetns: boolean
  /** Take the host's rules away when the agent ends; otherwise an upgrade disturbs nothing. */
  readonly cleanUpOnExit: boolean
  readonly healthPort: number
  readonly monitoringPort: number
  readonly logLevel: string
  readonly logFormat: 'plain' | 'json'
}

export type AgentCommand =
  | { readonly kind: 'run'; readonly options: AgentOptions }
  | { readonly kind: 'help' | 'version' }

export const HELP = `istio-cni-agent: takes the pods of this node into the mesh and out of it

usage: istio-cni-agent --config-dir DIR [--redirect-mode MODE] [--health-port N]

  --config-dir DIR   a watched directory of Kubernetes YAML: where pods and namespaces come from
  --redirect-mode MODE
                     iptables (default) or nftables: how pods' packets are steered to ztunnel
  --health-port N    port of /healthz and /readyz (8000)
  --help, --version

environment:
  NODE_NAME                     the node whose pods these are (required)
  POD_NAMESPACE                 where the agent itself runs (istio-system)
  SYSTEM_NAMESPACE              where ztunnel runs (istio-system)
  CNI_AGENT_RUN_DIR             /var/run/istio-cni
  ZTUNNEL_UDS_ADDRESS           /var/run/ztunnel/ztunnel.sock
  EXCLUDE_NAMESPACES            never enrolled, separated by commas (kube-system)
  AMBIENT_ENABLEMENT_SELECTOR   YAML list of {podSelector, namespaceSelector}
  AMBIENT_DNS_CAPTURE           false: ztunnel answers no DNS yet
  AMBIENT_IPV6                  true
  HOST_PROBE_SNAT_IP, HOST_PROBE_SNAT_IPV6
  REDIRECT_MODE                 the same as --redirect-mode
  NATIVE_NFTABLES               true: upstream's name for --redirect-mode nftables
  FORCE_IPTABLES_BINARY         legacy or nft: which iptables, instead of what the node's own rules are written with
  AMBIENT_USE_SCOPED_XTABLES_LOCKING
                                true; false takes the lock of the whole host
  ALLOW_SWITCH_TO_HOST_NS       false
  AMBIENT_DISABLE_SAFE_UPGRADE  false; true takes the host's rules away at the end
  MONITORING_PORT               port of /metrics (15014)
  LOG_LEVEL, LOG_FORMAT         info; plain or json
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
  return {
    kind: 'run',
    options: {
      nodeName: required('NODE_NAME', env['NODE_NAME']),
      podNamespace: text(env, 'POD_NAMESPACE', 'istio-system'),
      configDirectory: required('--config-dir', flags.get('--config-dir')),
      runDirectory: text(env, 'CNI_AGENT_RUN_DIR', '/var/run/istio-cni'),
      zdsSocket: text(env, 'ZTUNNEL_UDS_ADDRESS', '/var/run/ztunnel/ztunnel.sock'),
      selection: readSelection(env),
      settings: readSettings(env),
      redirect: readRedirectOptions(flags.get('--redirect-mode'), env),
      switchToHostNetns: flag(env, 'ALLOW_SWITCH_TO_HOST_NS', 'false'),
      cleanUpOnExit: flag(env, 'AMBIENT_DISABLE_SAFE_UPGRADE', 'false'),
      healthPort: port('--health-port', flags.get('--health-port') ?? '8000'),
      monitoringPort: port('MONITORING_PORT', text(env, 'MONITORING_PORT', '15014')),
      logLevel: text(env, 'LOG_LEVEL', 'info'),
      logFormat: env['LOG_FORMAT'] === 'json' ? 'json' : 'plain',
    },
  }
}

function readSelection(env: Env): SelectionRules {
  const selector = text(env, 'AMBIENT_ENABLEMENT_SELECTOR', '')
  return {
    selectors: selector === '' ? defaultSelectors : parseSelectors(selector),
    excludeNamespaces: new Set(
      text(env, 'EXCLUDE_NAMESPACES', 'kube-system')
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ),
    systemNamespace: text(env, 'SYSTEM_NAMESPACE', 'istio-system'),
  }
}

function readSettings(env: Env): RedirectSettings {
  return {
    ipv6: flag(env, 'AMBIENT_IPV6', 'true'),
    dnsCapture: flag(env, 'AMBIENT_DNS_CAPTURE', 'false'),
    ingressOnly: false,
    virtualInterfaces: [],
    probe: {
      v4: address(env, 'HOST_PROBE_SNAT_IP', '169.254.7.127'),
      v6: address(env, 'HOST_PROBE_SNAT_IPV6', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'),
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

function required(name: string, value: string | undefined): string {
  if (value !== undefined && value !== '') return value
  throw new CniError('CONFIG_INVALID', `Cannot start: ${name} is not set; see --help`)
}

function port(name: string, value: string): number {
  const number = Number(value)
  if (/^\d{1,5}$/.test(value) && number <= 65_535) return number
  throw invalid(name, value, 'expected a port from 0 to 65535')
}

function address(env: Env, name: string, fallback: string): string {
  const value = text(env, name, fallback)
  const canonical = canonicalIp(value)
  if (canonical === undefined || canonical.includes(':') !== fallback.includes(':'))
    throw invalid(name, value, `expected an address such as ${fallback}`)
  return canonical
}
