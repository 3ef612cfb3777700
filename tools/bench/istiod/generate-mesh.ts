/** How large a mesh to make up. */
export interface MeshSize {
  readonly services: number
  readonly pods: number
}

/** An object as the API server has it. */
export interface MeshObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown }
  readonly [field: string]: unknown
}

const NAMESPACES = 20
const PODS_A_NODE = 100
const MIN_NODES = 10

/** Names of the nodes that a mesh of this size has. */
export function nodesOf({ pods }: MeshSize): readonly string[] {
  return numbers(Math.max(MIN_NODES, Math.ceil(pods / PODS_A_NODE))).map((index) => `node-${index}`)
}

/**
 * A mesh as a cluster has it: services by selector with their endpoint slices, pods of deployments spread over nodes
 * and services, a policy in each namespace and strict mutual TLS for all.
 */
export function* generateMesh(size: MeshSize): Generator<MeshObject> {
  const namespaces = numbers(NAMESPACES).map(namespaceOf)
  for (const name of ['istio-system', ...namespaces])
    yield {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'istio.io/dataplane-mode': 'ambient' } },
    }
  for (const name of nodesOf(size)) yield nodeObject(name)
  yield {
    apiVersion: SECURITY,
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace: 'istio-system' },
    spec: { mtls: { mode: 'STRICT' } },
  }
  for (const namespace of namespaces)
    yield {
      apiVersion: SECURITY,
      kind: 'AuthorizationPolicy',
      metadata: { name: 'same-team', namespace },
      spec: { rules: [{ from: [{ source: { namespaces: [namespace] } }] }] },
    }
  for (const service of numbers(size.services)) {
    yield serviceObject(service)
    yield sliceObject(service, size)
  }
  for (const index of numbers(size.pods)) yield podObject(podOf(index, size))
}

const SECURITY = 'security.istio.io/v1'

/** A pod of the made-up mesh; `revision` is what a bench changes. */
export interface MeshPod {
  readonly name: string
  readonly namespace: string
  readonly service: number
  readonly node: string
  readonly ip: string
  readonly revision: string
}

export function podOf(index: number, size: MeshSize): MeshPod {
  const service = index % size.services
  const nodes = nodesOf(size)
  return {
    name: `app-${service}-5d4f8c7b9-${index}`,
    namespace: namespaceOf(service),
    service,
    node: nodes[index % nodes.length] ?? '',
    ip: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    revision: 'v1',
  }
}

/** The UID of its workload. */
export function uidOf({ namespace, name }: MeshPod): string {
  return `Kubernetes//Pod/${namespace}/${name}`
}

export function podObject({ name, namespace, service, node, ip, revision }: MeshPod): MeshObject {
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: `app-${service}-5d4f8c7b9`,
    uid: `rs-${service}`,
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: { app: `app-${service}`, version: revision, 'pod-template-hash': '5d4f8c7b9' },
      annotations: {
        'ambient.istio.io/redirection': 'enabled',
        'kubectl.kubernetes.io/restartedAt': '2030-01-01T00:00:00Z',
      },
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
      managedFields: [
        {
          manager: 'kubelet',
          operation: 'Update',
          fieldsV1: { 'f:status': { 'f:conditions': {}, 'f:podIP': {} } },
        },
      ],
    },
    spec: {
      nodeName: node,
      serviceAccountName: `app-${service}`,
      containers: [container(service)],
      volumes: [
        {
          name: 'token',
          projected: { sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3607 } }] },
        },
      ],
      tolerations: [
        {
          key: 'node.kubernetes.io/not-ready',
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 300,
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      hostIP: '192.168.0.1',
      startTime: '2030-01-01T00:00:00Z',
      conditions: ['Ready', 'ContainersReady', 'Initialized', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: '2030-01-01T00:00:00Z',
      })),
      containerStatuses: [
        { name: 'app', ready: true, restartCount: 0, image: IMAGE, state: { running: {} } },
      ],
    },
  }
}

const IMAGE = 'registry.example/team/app:1.2.3'

function container(service: number): object {
  return {
    name: 'app',
    image: IMAGE,
    ports: [{ containerPort: 8080, name: 'http' }],
    env: [
      { name: 'LOG_LEVEL', value: 'info' },
      { name: 'DATABASE', value: `postgres://db-${service}.team.svc:5432/app` },
    ],
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    readinessProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 5 },
  }
}

/** Endpoints of a service, as the endpoint slice controller writes them. */
function sliceObject(service: number, size: MeshSize): MeshObject {
  const namespace = namespaceOf(service)
  const pods = numbers(Math.ceil((size.pods - service) / size.services)).map((nth) =>
    podOf(service + nth * size.services, size),
  )
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `app-${service}-abcde`,
      namespace,
      labels: { 'kubernetes.io/service-name': `app-${service}` },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: pods.map(({ name, node, ip }) => ({
      addresses: [ip],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: node,
      targetRef: { kind: 'Pod', name, namespace, uid: `uid-${name}` },
    })),
  }
}

function serviceObject(service: number): MeshObject {
  const clusterIP = `10.200.${service >> 8}.${service & 255}`
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `app-${service}`, namespace: namespaceOf(service) },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      selector: { app: `app-${service}` },
      ports: [
        { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' },
        { name: 'metrics', port: 9090, targetPort: 9090, protocol: 'TCP' },
      ],
    },
  }
}

function nodeObject(name: string): MeshObject {
  const labels = { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'eu-1' }
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }
}

function namespaceOf(service: number): string {
  return `team-${service % NAMESPACES}`
}

function numbers(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}
