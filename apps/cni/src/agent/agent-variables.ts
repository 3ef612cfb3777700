import { CniError } from '../cni-error.ts'

export type Env = Readonly<Record<string, string | undefined>>

interface Row {
  readonly fallback: string
  readonly help: string
}

const table = {
  NODE_NAME: { fallback: '', help: 'the node whose pods these are (required)' },
  POD_NAMESPACE: { fallback: 'istio-system', help: 'where the agent itself runs' },
  SYSTEM_NAMESPACE: { fallback: 'istio-system', help: 'where ztunnel runs' },
  CNI_AGENT_RUN_DIR: {
    fallback: '/var/run/istio-cni',
    help: 'the plugin’s socket, and what is known of pods',
  },
  ZTUNNEL_UDS_ADDRESS: { fallback: '/var/run/ztunnel/ztunnel.sock', help: 'where ztunnel connects to' },
  MOUNTED_CNI_NET_DIR: { fallback: '/host/etc/cni/net.d', help: 'where the runtime looks for networks' },
  MOUNTED_CNI_BIN_DIR: { fallback: '/host/opt/cni/bin', help: 'where the runtime looks for plugins' },
  CHAINED_CNI_PLUGIN: { fallback: 'true', help: 'false: a network of its own, for Multus to attach' },
  ISTIO_OWNED_CNI_CONFIG: {
    fallback: 'true',
    help: 'false: change the primary’s own file, which it may write anew',
  },
  ISTIO_OWNED_CNI_CONFIG_FILENAME: {
    fallback: '02-istio-cni.conflist',
    help: 'must sort before the primary’s',
  },
  ISTIO_OWNED_CNI_CONF_FILENAME: { fallback: '', help: 'the same; the name that upstream’s chart sets' },
  CNI_CONF_NAME: { fallback: '', help: 'the primary’s file, if not the first; the standalone network’s' },
  CNI_CONF_GROUP_READ: { fallback: 'false', help: 'true: our file has mode 0640, not 0600' },
  EXCLUDE_NAMESPACES: { fallback: 'kube-system', help: 'never enrolled, separated by commas' },
  AMBIENT_ENABLEMENT_SELECTOR: { fallback: '', help: 'YAML list of {podSelector, namespaceSelector}' },
  AMBIENT_DNS_CAPTURE: { fallback: 'true', help: 'false leaves the pods’ DNS queries alone' },
  AMBIENT_IPV6: { fallback: 'true', help: 'false leaves IPv6 alone' },
  HOST_PROBE_SNAT_IP: { fallback: '169.254.7.127', help: 'the source of the kubelet’s probes in pods' },
  HOST_PROBE_SNAT_IPV6: { fallback: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff', help: 'the same for IPv6' },
  REDIRECT_MODE: { fallback: '', help: 'the same as --redirect-mode' },
  NATIVE_NFTABLES: { fallback: 'false', help: 'true: upstream’s name for --redirect-mode nftables' },
  FORCE_IPTABLES_BINARY: {
    fallback: '',
    help: 'legacy or nft: which iptables, not what the node’s own rules are written with',
  },
  AMBIENT_USE_SCOPED_XTABLES_LOCKING: { fallback: 'true', help: 'false takes the lock of the whole host' },
  ALLOW_SWITCH_TO_HOST_NS: { fallback: 'false', help: 'true: host rules go into the network of PID 1' },
  AMBIENT_DISABLE_SAFE_UPGRADE: { fallback: 'false', help: 'true: every end is taken for an uninstallation' },
  REPAIR_ENABLED: {
    fallback: 'true',
    help: 'false: nobody looks whether pods still are where they should be',
  },
  REPAIR_REPAIR_PODS: {
    fallback: 'true',
    help: 'a pod that only claims to be in the mesh is enrolled; else',
  },
  REPAIR_DELETE_PODS: { fallback: 'false', help: 'it is deleted; else' },
  REPAIR_LABEL_PODS: { fallback: 'false', help: 'it gets a label; else there is an event only' },
  REPAIR_BROKEN_POD_LABEL_KEY: { fallback: 'cni.istio.io/uninitialized', help: 'that label' },
  REPAIR_BROKEN_POD_LABEL_VALUE: { fallback: 'true', help: 'and its value' },
  REPAIR_NODE_NAME: { fallback: '', help: 'must be NODE_NAME: an agent repairs its own node' },
  MONITORING_PORT: { fallback: '15014', help: 'port of /metrics' },
  LOG_LEVEL: { fallback: 'info', help: 'off, error, warn, info, debug or trace' },
  LOG_FORMAT: { fallback: 'plain', help: 'plain or json' },
} as const

/** Every environment variable that the agent reads; names and meanings are upstream’s. The help is made from it. */
export const agentVariables: typeof table = table

export type AgentVariable = keyof typeof agentVariables

/** What upstream has and this agent does not, with the only values that ask for nothing else than what it does. */
const refusedVariables: Readonly<
  Record<string, { readonly accepts: readonly string[]; readonly because: string }>
> = {
  AMBIENT_ENABLED: {
    accepts: ['true'],
    because: 'this agent does nothing but ambient; do not run it instead',
  },
  AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: {
    accepts: ['true'],
    because: 'a pod whose rules are not whole would stay outside the mesh',
  },
  AMBIENT_ENABLE_AWS_BRANCH_ENI_PROBE: {
    accepts: ['false'],
    because: 'probes of pods with a branch interface of their own are not routed yet',
  },
  ENABLE_AMBIENT_DETECTION_RETRY: {
    accepts: ['true', 'false'],
    because: 'a pod always waits until it is known whether it belongs to the mesh',
  },
  REPAIR_SIDECAR_ANNOTATION: { accepts: [], because: 'there are no sidecars' },
  REPAIR_INIT_CONTAINER_NAME: { accepts: ['istio-validation'], because: 'there are no sidecars' },
  REPAIR_INIT_CONTAINER_TERMINATION_MESSAGE: { accepts: [], because: 'there are no sidecars' },
  REPAIR_INIT_CONTAINER_EXIT_CODE: { accepts: ['126'], because: 'there are no sidecars' },
  REPAIR_RUN_AS_DAEMON: { accepts: ['true'], because: 'the agent goes on looking' },
  REPAIR_LABEL_SELECTORS: { accepts: [], because: 'every pod of the mesh is looked at' },
  REPAIR_FIELD_SELECTORS: { accepts: [], because: 'every pod of the mesh is looked at' },
  EBPF_ENABLED: { accepts: ['false'], because: 'there is no redirection by eBPF yet' },
  KUBECONFIG_MODE: { accepts: [], because: 'the plugin asks the agent and needs no kubeconfig' },
  KUBECFG_FILE_NAME: { accepts: [], because: 'the plugin asks the agent and needs no kubeconfig' },
  KUBE_CA_FILE: { accepts: [], because: 'the plugin asks the agent and needs no kubeconfig' },
  SKIP_TLS_VERIFY: { accepts: ['false'], because: 'the plugin asks the agent and needs no kubeconfig' },
  CNI_NETWORK_CONFIG: { accepts: [], because: 'the plugin’s configuration is made from the other settings' },
  CNI_NETWORK_CONFIG_FILE: {
    accepts: [],
    because: 'the plugin’s configuration is made from the other settings',
  },
  LOG_UDS_ADDRESS: { accepts: [], because: 'the plugin has no log; the agent logs what it is asked' },
}

/** @throws {CniError} `CONFIG_INVALID` for what would otherwise be believed to be in force. */
export function refuseUnsupported(env: Env): void {
  for (const [name, { accepts, because }] of Object.entries(refusedVariables)) {
    const value = env[name]
    if (value === undefined || value === '' || accepts.includes(value.toLowerCase())) continue
    const instead = accepts.length === 0 ? 'unset it' : `unset it or use ${accepts.join(' or ')}`
    throw new CniError('CONFIG_INVALID', `Cannot use ${name} "${value}": ${because}; ${instead}`)
  }
}

/** The part of the help that is about the environment. */
export function describeVariables(): string {
  const rows: readonly (readonly [string, Row])[] = Object.entries(agentVariables)
  const lines = rows.map(
    ([name, { fallback, help }]) => `  ${name.padEnd(32)}${help}${fallback === '' ? '' : ` (${fallback})`}`,
  )
  return [...lines, '', 'refused, unless it asks for what is done anyway:', ...refusedLines()].join('\n')
}

function refusedLines(): readonly string[] {
  return Object.entries(refusedVariables).map(([name, { because }]) => `  ${name}: ${because}`)
}
