import { join } from 'node:path'
import { nodeIp } from './lab-addresses.ts'
import { LabError } from './lab-error.ts'
import { nodeName } from './lab-node.ts'
import type { NodeDirectories } from './lab-state.ts'

/** Where this checkout's programs and a lab's files lie. */
export interface MeshPaths {
  readonly repository: string
  readonly configDirectory: string
  readonly jwksFile: string
  readonly istiodDirectory: string
  readonly nodeDirectories: (node: string) => NodeDirectories
  /** Where the volumes of a pod of `istio-system` lie. */
  readonly volumesOf: (pod: string) => string
}

/** Environment variables added to those every app of a kind has. */
export interface MeshEnvironment {
  readonly istiod?: Readonly<Record<string, string>>
  readonly ztunnel?: Readonly<Record<string, string>>
  readonly agent?: Readonly<Record<string, string>>
}

/** How agents redirect pods; `iptables` unless said otherwise. */
export type LabRedirectMode = 'iptables' | 'nftables'

/** @throws {LabError} `MANIFEST_INVALID` */
export function parseRedirectMode(text: string): LabRedirectMode {
  if (text === 'iptables' || text === 'nftables') return text
  throw new LabError('MANIFEST_INVALID', `--redirect must be iptables or nftables: "${text}"`)
}

export type AppKind = 'istiod' | 'agent' | 'ztunnel'

const { AMBIENT_DEBUG_MEMORY } = process.env
/** Programs that have a debug mode of memory are in it when the lab itself was asked for it. */
const DEBUG_MEMORY: Readonly<Record<string, string>> =
  AMBIENT_DEBUG_MEMORY === undefined ? {} : { AMBIENT_DEBUG_MEMORY }
const NAMESPACE = 'istio-system'
const TOKEN_SECONDS = 43_200
const SECURE_PORT = 'https-dns'
/** One of those for fixed use. */
const ISTIOD_CLUSTER_IP = '10.96.0.20'

/** The pod of `istiod`, `istiod-2`, `ztunnel@node1`, `agent@node2` and so on, or undefined for a name that is none of them. */
export function podOfApp(app: string): string | undefined {
  if (/^istiod(-\d+)?$/.test(app)) return app
  const [kind, node] = app.split('@')
  if (node === undefined) return undefined
  return kind === 'ztunnel' ? `ztunnel-${node}` : kind === 'agent' ? `istio-cni-node-${node}` : undefined
}

/** How many of each there are. */
export interface MeshCounts {
  readonly nodes: number
  readonly istiods: number
}

/** How scenarios name every app of a lab. */
export function appNames({ nodes, istiods }: MeshCounts): readonly string[] {
  const ofNode = Array.from({ length: nodes }, (_, n) => nodeName(n + 1)).flatMap((node) => [
    `agent@${node}`,
    `ztunnel@${node}`,
  ])
  return [...Array.from({ length: istiods }, (_, n) => istiodName(n + 1)), ...ofNode]
}

function istiodName(nth: number): string {
  return nth === 1 ? 'istiod' : `istiod-${nth}`
}

/** The namespace of the mesh's own pods, their accounts, and what agents look for at their end: are they to come back? */
export const meshNamespace: readonly object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
  ...['istiod', 'istio-cni', 'ztunnel'].map((name) => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: NAMESPACE },
  })),
  {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'istio-cni-node', namespace: NAMESPACE },
    spec: { template: { spec: { nodeSelector: {} } } },
  },
]

/** All istiods by one name, each on the ports that its pod says. */
export const istiodService: object = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'istiod', namespace: NAMESPACE },
  spec: {
    clusterIP: ISTIOD_CLUSTER_IP,
    selector: { app: 'istiod' },
    ports: [{ name: SECURE_PORT, port: 15_012, targetPort: SECURE_PORT, protocol: 'TCP' }],
  },
}

/** @param nth From 1. All run on one node and have one state directory; the others' ports are hundreds above the first's. */
export function istiodPod(nth: number, paths: MeshPaths, extra: MeshEnvironment): object {
  const above = 100 * (nth - 1)
  const ports = { secure: 15_012 + above, monitoring: 15_014 + above, http: 8080 + above }
  return appPod({
    kind: 'istiod',
    name: istiodName(nth),
    serviceAccount: 'istiod',
    node: 0,
    command: [
      join(paths.repository, 'apps/istiod/bin/istiod'),
      '--config-dir',
      paths.configDirectory,
      '--jwks',
      paths.jwksFile,
      '--state-dir',
      paths.istiodDirectory,
      ...Object.entries(ports).flatMap(([name, port]) => [`--${name}-port`, String(port)]),
    ],
    ports: [{ name: SECURE_PORT, containerPort: ports.secure }],
    env: { POD_NAMESPACE: NAMESPACE, CLUSTER_ID: 'Kubernetes', ...extra.istiod },
    probe: { port: ports.http, path: '/ready' },
  })
}

export function agentPod(
  node: number,
  paths: MeshPaths,
  extra: MeshEnvironment & { readonly redirectMode: LabRedirectMode },
): object {
  const { networks, plugins } = paths.nodeDirectories(nodeName(node))
  return appPod({
    kind: 'agent',
    name: `istio-cni-node-${nodeName(node)}`,
    serviceAccount: 'istio-cni',
    node,
    command: [
      join(paths.repository, 'apps/cni/bin/istio-cni-agent'),
      '--config-dir',
      paths.configDirectory,
      '--redirect-mode',
      extra.redirectMode,
    ],
    env: {
      NODE_NAME: nodeName(node),
      AMBIENT_ENABLED: 'true',
      POD_NAMESPACE: NAMESPACE,
      MOUNTED_CNI_NET_DIR: networks,
      MOUNTED_CNI_BIN_DIR: plugins,
      ...DEBUG_MEMORY,
      ...extra.agent,
    },
    probe: { port: 8000, path: '/readyz' },
  })
}

export function ztunnelPod(
  node: number,
  paths: MeshPaths,
  extra: MeshEnvironment & { readonly nodeProxy?: readonly string[] | undefined; readonly istiods: number },
): object {
  const name = `ztunnel-${nodeName(node)}`
  const controlPlane = `https://${extra.istiods > 1 ? ISTIOD_CLUSTER_IP : nodeIp(0)}:15012`
  const root = join(paths.istiodDirectory, 'root-cert.pem')
  return appPod({
    kind: 'ztunnel',
    name,
    serviceAccount: 'ztunnel',
    node,
    command: extra.nodeProxy ?? [join(paths.repository, 'apps/ztunnel/bin/ztunnel')],
    env: {
      NODE_NAME: nodeName(node),
      POD_NAME: name,
      POD_NAMESPACE: NAMESPACE,
      INSTANCE_IP: nodeIp(node),
      XDS_ADDRESS: controlPlane,
      CA_ADDRESS: controlPlane,
      ALT_XDS_HOSTNAME: `istiod.${NAMESPACE}.svc`,
      ALT_CA_HOSTNAME: `istiod.${NAMESPACE}.svc`,
      XDS_ROOT_CA: root,
      CA_ROOT_CA: root,
      AUTH_TOKEN: join(paths.volumesOf(name), 'tokens', 'istio-token'),
      CLUSTER_ID: 'Kubernetes',
      RUST_LOG: 'info',
      ZTUNNEL_WORKER_THREADS: '2',
      ...DEBUG_MEMORY,
      ...extra.ztunnel,
    },
    probe: { port: 15021, path: '/healthz/ready' },
  })
}

interface AppPod {
  readonly kind: AppKind
  readonly name: string
  readonly serviceAccount: string
  readonly node: number
  /** The program, then its arguments. */
  readonly command: readonly string[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env: Readonly<Record<string, string>>
  readonly probe: { readonly port: number; readonly path: string }
}

const APP_LABELS: Readonly<Record<AppKind, string>> = {
  istiod: 'istiod',
  agent: 'istio-cni-node',
  ztunnel: 'ztunnel',
}

function appPod(app: AppPod): object {
  const token = {
    serviceAccountToken: { path: 'istio-token', audience: 'istio-ca', expirationSeconds: TOKEN_SECONDS },
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: app.name, namespace: NAMESPACE, labels: { app: APP_LABELS[app.kind] } },
    spec: {
      nodeName: nodeName(app.node),
      hostNetwork: true,
      serviceAccountName: app.serviceAccount,
      containers: [
        {
          name: app.kind,
          command: app.command,
          ports: app.ports ?? [],
          env: Object.entries(app.env).map(([name, value]) => ({ name, value })),
          readinessProbe: { httpGet: app.probe },
        },
      ],
      volumes: [{ name: 'tokens', projected: { sources: [token] } }],
    },
  }
}
