import { controlPlaneRows } from './control-plane-rows.ts'
import { dnsLabelNames } from './dns-labels.ts'
import { trafficLabelNames } from './traffic-labels.ts'

/** The programs that count. */
export type Component = 'ztunnel' | 'istiod' | 'cni' | 'waypoint-controller'

/** One metric as it is exposed; docs/metrics.md is made from these. */
export interface MetricDefinition {
  readonly component: Component | 'all'
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

/** `labels: 'traffic'` stands for `trafficLabelNames`, `'dns'` for `dnsLabelNames`. */
const dataPlaneRows = {
  // Traffic: names, labels and their order are the standard mesh metrics'.
  istio_tcp_connections_opened_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Connections opened',
    labels: 'traffic',
  },
  istio_tcp_connections_closed_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Connections closed',
    labels: 'traffic',
  },
  istio_tcp_connections_failed_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Connections closed with a response flag',
    labels: 'traffic',
  },
  istio_tcp_received_bytes_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Bytes from downstream to upstream',
    labels: 'traffic',
  },
  istio_tcp_sent_bytes_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Bytes from upstream to downstream',
    labels: 'traffic',
  },
  istio_tcp_sockets_open: {
    component: 'ztunnel',
    type: 'gauge',
    help: 'Accepted sockets that are open',
    labels: ['reporter'],
  },

  istio_crl_policy_rejections_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Sessions refused or cut because a certificate of the peer is revoked',
    labels: ['reporter'],
  },
  istio_on_demand_dns_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Connections to an endpoint that is known by host name only',
    labels: [
      'source_workload',
      'source_canonical_service',
      'source_canonical_revision',
      'source_workload_namespace',
      'source_principal',
      'source_app',
      'source_version',
      'source_cluster',
      'hostname',
    ],
  },

  istio_build: {
    component: 'all',
    type: 'gauge',
    help: 'Constant 1; the labels say what runs',
    labels: ['component', 'tag'],
  },
  istio_xds_connection_terminations_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Ended streams to the control plane',
    labels: ['reason'],
  },
  istio_xds_message_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Responses from the control plane',
    labels: ['url'],
  },
  istio_xds_message_bytes_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Bytes of responses from the control plane',
    labels: ['url'],
  },
  istio_dns_requests_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'DNS queries of pods',
    labels: 'dns',
  },
  istio_dns_upstream_requests_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'DNS queries forwarded to a name server',
    labels: 'dns',
  },
  istio_dns_upstream_failures_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Forwarded DNS queries that got no answer, SERVFAIL or REFUSED',
    labels: 'dns',
  },
  istio_dns_upstream_request_duration_seconds: {
    component: 'ztunnel',
    type: 'histogram',
    help: 'Seconds until a forwarded DNS query ended',
    labels: 'dns',
    buckets: [0.0005, 0.001, 0.01, 0.1, 1, 5],
  },
  workload_manager_active_proxy_count: {
    component: 'ztunnel',
    type: 'gauge',
    help: 'Pods whose listeners are up',
    labels: [],
  },
  workload_manager_pending_proxy_count: {
    component: 'ztunnel',
    type: 'gauge',
    help: 'Pods whose listeners could not be made yet',
    labels: [],
  },
  workload_manager_proxies_started_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Pods taken on',
    labels: [],
  },
  workload_manager_proxies_stopped_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Pods let go',
    labels: [],
  },
  process_open_fds: { component: 'ztunnel', type: 'gauge', help: 'Open file descriptors', labels: [] },
  process_max_fds: {
    component: 'ztunnel',
    type: 'gauge',
    help: 'Limit of open file descriptors',
    labels: [],
  },

  // Our own, where upstream is silent: every refusal, every limit, every fault has a number.
  ambient_connections_refused_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Connections refused before they were counted as opened',
    labels: ['direction', 'reason'],
  },
  ambient_dns_refused_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'DNS queries that were answered with an error of our own',
    labels: ['reason'],
  },
  ambient_upstream_retries_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Dials that failed before any byte moved, and were tried again or elsewhere',
    labels: ['reason'],
  },
  ambient_limit_hits_total: {
    component: 'all',
    type: 'counter',
    help: 'Times a limit of docs/limits.md was hit',
    labels: ['limit'],
  },
  ambient_log_lines_dropped_total: {
    component: 'all',
    type: 'counter',
    help: 'Log lines lost because the log could not be written',
    labels: [],
  },
  ambient_worker_faults_total: {
    component: 'all',
    type: 'counter',
    help: 'Errors in our own code that ended one connection or request',
    labels: ['scope'],
  },
  ambient_certificates: {
    component: 'ztunnel',
    type: 'gauge',
    help: 'Identities by state of their certificate',
    labels: ['state'],
  },
  ambient_certificate_fetches_total: {
    component: 'ztunnel',
    type: 'counter',
    help: 'Certificate requests by outcome',
    labels: ['result'],
  },

  istio_cni_install_ready: {
    component: 'cni',
    type: 'gauge',
    help: '1 once the plugin is installed',
    labels: [],
  },
  istio_cni_installs_total: {
    component: 'cni',
    type: 'counter',
    help: 'Installations of the plugin by outcome',
    labels: ['result'],
  },
  istio_cni_plugin_requests_total: {
    component: 'cni',
    type: 'counter',
    help: 'Requests of the plugin by answer',
    labels: ['response_code'],
  },
  nodeagent_reconcile_events_total: {
    component: 'cni',
    type: 'counter',
    help: 'Actions the reconciler took',
    labels: ['type'],
  },
  ztunnel_connected: { component: 'cni', type: 'gauge', help: 'Ztunnels connected', labels: [] },
  ambient_cni_pods: {
    component: 'cni',
    type: 'gauge',
    help: 'Pods by how far they are on their way into the mesh or out of it',
    labels: ['state'],
  },
  istio_cni_repair_pods_repaired_total: {
    component: 'cni',
    type: 'counter',
    help: 'Pods that were said to be in the mesh and were not, by what was done about it',
    labels: ['type', 'result'],
  },
  ambient_cni_listeners_restored_total: {
    component: 'cni',
    type: 'counter',
    help: 'Pods that ztunnel was told of again since it did not listen there',
    labels: [],
  },
  ambient_cni_zds_requests_total: {
    component: 'cni',
    type: 'counter',
    help: 'Pods told to ztunnels or taken back, by what became of it',
    labels: ['request', 'result'],
  },
  ambient_cni_rules_rewritten_total: {
    component: 'cni',
    type: 'counter',
    help: 'Rules written again: of a pod or of the node, repaired after somebody changed them, or moved to another backend',
    labels: ['reason'],
  },
  ambient_cni_rules_watched: {
    component: 'cni',
    type: 'gauge',
    help: 'Pods whose rules are watched for changes',
    labels: [],
  },
  ambient_cni_kept_connections_total: {
    component: 'cni',
    type: 'counter',
    help: 'Connections that were open when their pod was enrolled, and stayed outside the mesh',
    labels: [],
  },
  ambient_cni_reset_connections_total: {
    component: 'cni',
    type: 'counter',
    help: 'Connections that were open when their pod was enrolled, and reset since it takes mutual TLS only',
    labels: [],
  },
  ambient_cni_kept_connections: {
    component: 'cni',
    type: 'gauge',
    help: 'Kept connections that are still open',
    labels: [],
  },

  ambient_gateways_settled_total: {
    component: 'waypoint-controller',
    type: 'counter',
    help: 'Looks at a Gateway, by what came of them',
    labels: ['outcome'],
  },
} as const

export const metricRows: typeof dataPlaneRows & typeof controlPlaneRows = {
  ...dataPlaneRows,
  ...controlPlaneRows,
}

export type MetricName = keyof typeof metricRows

type Row = Omit<MetricDefinition, 'labels'> & { readonly labels: keyof typeof LABELS | readonly string[] }

const LABELS = { traffic: trafficLabelNames, dns: dnsLabelNames } as const

/** Every metric of the mesh by name. */
export const metricTable: ReadonlyMap<MetricName, MetricDefinition> = new Map(
  entriesOf(metricRows).map(([name, row]) => [
    name,
    { ...row, labels: typeof row.labels === 'string' ? LABELS[row.labels] : row.labels },
  ]),
)

function entriesOf(rows: Readonly<Record<MetricName, Row>>): [MetricName, Row][]
function entriesOf(rows: Readonly<Record<string, Row>>): [string, Row][] {
  return Object.entries(rows)
}
