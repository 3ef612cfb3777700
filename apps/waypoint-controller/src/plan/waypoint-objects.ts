import type { KubeObject, Manifest, ManifestMeta } from '@ambient/kube'
import {
  DATAPLANE_MODE_LABEL,
  DISTRIBUTION_ANNOTATION,
  ENVOY_METRICS_PORT,
  GATEWAY_CLASS_LABEL,
  GATEWAY_NAME_LABEL,
  HBONE_PORT,
  IMAGE_ANNOTATION,
  LOG_LEVEL_ANNOTATION,
  MANAGED_LABEL,
  MANAGED_VALUE,
  METRICS_PORT,
  NETWORK_LABEL,
  REVISION_LABEL,
  SERVICE_TYPE_ANNOTATION,
  STATUS_PORT,
  VERSION_ANNOTATION,
} from './gateway-names.ts'
import type { WaypointWish } from './judge-gateway.ts'
import type { WaypointDefaults } from './plan-input.ts'

/** Parts of a waypoint that an overlay may change, by the names it uses for them. */
export interface WaypointObjects {
  readonly serviceAccount: Manifest
  readonly deployment: Manifest
  readonly service: Manifest
}

type Texts = Readonly<Record<string, string>>

const USER = 1337
const TOKEN_SECONDS = 43_200
/** Never handed on to what is made: it is about the Gateway itself. */
const OWN_ANNOTATIONS: readonly string[] = [
  'kubectl.kubernetes.io/last-applied-configuration',
  VERSION_ANNOTATION,
  'gateway.istio.io/name-override',
  'gateway.istio.io/service-account',
]

/** What a waypoint consists of, before any overlay. Pure. */
export function waypointObjects(
  gateway: KubeObject,
  wish: WaypointWish,
  defaults: WaypointDefaults,
): WaypointObjects {
  const { labels, annotations } = handedOn(gateway)
  const own = {
    ...labels,
    [MANAGED_LABEL]: MANAGED_VALUE,
    [GATEWAY_NAME_LABEL]: gateway.metadata.name,
    [GATEWAY_CLASS_LABEL]: className(gateway),
    ...(labels[NETWORK_LABEL] === undefined && defaults.network !== ''
      ? { [NETWORK_LABEL]: defaults.network }
      : {}),
  }
  const metadata = (name: string): ManifestMeta => ({
    name,
    namespace: gateway.metadata.namespace ?? 'default',
    labels: own,
    annotations,
    ownerReferences: [ownerOf(gateway)],
  })
  return {
    serviceAccount: {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: metadata(wish.serviceAccount),
    },
    deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: metadata(wish.name),
      spec: {
        selector: { matchLabels: { [GATEWAY_NAME_LABEL]: gateway.metadata.name } },
        template: podTemplate({ gateway, wish, defaults, labels: own, annotations }),
      },
    },
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata(wish.name),
      spec: serviceSpec(gateway, wish),
    },
  }
}

/** Labels and annotations of the Gateway, or those it names for its infrastructure instead. */
function handedOn(gateway: KubeObject): { readonly labels: Texts; readonly annotations: Texts } {
  const { labels, annotations } = gateway.metadata
  const infrastructure = record(record(gateway.spec)['infrastructure'])
  return {
    labels: without(texts(infrastructure['labels']) ?? labels, []),
    annotations: without(texts(infrastructure['annotations']) ?? annotations, OWN_ANNOTATIONS),
  }
}

function without(given: Texts, names: readonly string[]): Texts {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([key]) => !key.startsWith('gateway.networking.k8s.io/') && !names.includes(key),
    ),
  )
}

function ownerOf({ apiVersion, kind, metadata }: KubeObject): object {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid }
}

function serviceSpec(gateway: KubeObject, { loadBalancerIp }: WaypointWish): object {
  const { annotations } = gateway.metadata
  return {
    type: annotations[SERVICE_TYPE_ANNOTATION] ?? 'ClusterIP',
    ipFamilyPolicy: 'PreferDualStack',
    ...(loadBalancerIp === undefined ? {} : { loadBalancerIP: loadBalancerIp }),
    ...(annotations[DISTRIBUTION_ANNOTATION] === 'PreferClose' ? { trafficDistribution: 'PreferClose' } : {}),
    selector: { [GATEWAY_NAME_LABEL]: gateway.metadata.name },
    ports: [
      { name: 'status-port', port: STATUS_PORT, protocol: 'TCP', appProtocol: 'tcp' },
      { name: 'mesh', port: HBONE_PORT, protocol: 'TCP', appProtocol: 'all' },
    ],
  }
}

interface PodParts {
  readonly gateway: KubeObject
  readonly wish: WaypointWish
  readonly defaults: WaypointDefaults
  readonly labels: Texts
  readonly annotations: Texts
}

function podTemplate(parts: PodParts): object {
  const { wish, defaults, labels, annotations, gateway } = parts
  return {
    metadata: {
      labels: {
        ...labels,
        'sidecar.istio.io/inject': 'false',
        [DATAPLANE_MODE_LABEL]: 'none',
        'service.istio.io/canonical-name': wish.name,
        'service.istio.io/canonical-revision': 'latest',
      },
      annotations: {
        ...annotations,
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': String(METRICS_PORT),
        'prometheus.io/path': '/stats/prometheus',
        [REVISION_LABEL]: defaults.revision,
      },
    },
    spec: {
      serviceAccountName: wish.serviceAccount,
      terminationGracePeriodSeconds: 30,
      containers: [container(parts, gateway.metadata.annotations)],
      volumes: volumes(),
    },
  }
}

function container(parts: PodParts, settings: Texts): object {
  const { wish, defaults, gateway } = parts
  const { namespace = 'default' } = gateway.metadata
  return {
    name: 'istio-proxy',
    image: settings[IMAGE_ANNOTATION] ?? defaults.image,
    imagePullPolicy: defaults.imagePullPolicy,
    args: [
      'proxy',
      'waypoint',
      '--domain',
      `$(POD_NAMESPACE).svc.${defaults.domainSuffix}`,
      '--serviceCluster',
      `${wish.name}.${namespace}`,
      '--proxyLogLevel',
      settings[LOG_LEVEL_ANNOTATION] ?? 'warning',
    ],
    env: environment(parts),
    ports: [
      { name: 'metrics', containerPort: METRICS_PORT, protocol: 'TCP' },
      { name: 'status-port', containerPort: STATUS_PORT, protocol: 'TCP' },
      { name: 'http-envoy-prom', containerPort: ENVOY_METRICS_PORT, protocol: 'TCP' },
    ],
    startupProbe: { httpGet: READY, failureThreshold: 30, periodSeconds: 1, timeoutSeconds: 1 },
    readinessProbe: { httpGet: READY, failureThreshold: 4, periodSeconds: 15, timeoutSeconds: 1 },
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
    securityContext: {
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: Object.entries(MOUNTS).map(([name, mountPath]) => ({ name, mountPath })),
  }
}

const READY = { path: '/healthz/ready', port: STATUS_PORT, scheme: 'HTTP' }

const MOUNTS = {
  'workload-socket': '/var/run/secrets/workload-spiffe-uds',
  'istiod-ca-cert': '/var/run/secrets/istio',
  'istio-data': '/var/lib/istio/data',
  'istio-envoy': '/etc/istio/proxy',
  'istio-token': '/var/run/secrets/tokens',
  'istio-podinfo': '/etc/istio/pod',
} as const

function volumes(): readonly object[] {
  const fieldRef = (path: string, fieldPath: string): object => ({ path, fieldRef: { fieldPath } })
  const token = { path: 'istio-token', audience: 'istio-ca', expirationSeconds: TOKEN_SECONDS }
  return [
    { name: 'workload-socket', emptyDir: { medium: 'Memory' } },
    { name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } },
    { name: 'istio-data', emptyDir: {} },
    { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
    { name: 'istio-token', projected: { sources: [{ serviceAccountToken: token }] } },
    {
      name: 'istio-podinfo',
      downwardAPI: {
        items: [fieldRef('labels', 'metadata.labels'), fieldRef('annotations', 'metadata.annotations')],
      },
    },
  ]
}

function environment({ wish, defaults, gateway }: PodParts): readonly object[] {
  const { namespace = 'default' } = gateway.metadata
  const field = (name: string, fieldPath: string): object => ({
    name,
    valueFrom: { fieldRef: { fieldPath } },
  })
  const value = (name: string, text: string): object => ({ name, value: text })
  return [
    value('PILOT_CERT_PROVIDER', 'istiod'),
    value('CA_ADDR', defaults.discoveryAddress),
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('HOST_IP', 'status.hostIP'),
    {
      name: 'ISTIO_CPU_LIMIT',
      valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1' } },
    },
    value('PROXY_CONFIG', JSON.stringify({ discoveryAddress: defaults.discoveryAddress })),
    value('TRUST_DOMAIN', defaults.trustDomain),
    field('ISTIO_META_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    value('ISTIO_META_CLUSTER_ID', defaults.clusterId),
    value('ISTIO_META_NETWORK', defaults.network),
    value('ISTIO_META_INTERCEPTION_MODE', 'REDIRECT'),
    value('ISTIO_META_WORKLOAD_NAME', wish.name),
    value('ISTIO_META_OWNER', `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${wish.name}`),
    value('ISTIO_META_MESH_ID', defaults.trustDomain),
  ]
}

export function className(gateway: KubeObject): string {
  const name = record(gateway.spec)['gatewayClassName']
  return typeof name === 'string' ? name : ''
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function texts(value: unknown): Texts | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, text]) => (typeof text === 'string' ? [[key, text]] : [])),
  )
}
