import type { Clock } from '@ambient/lifecycle'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, WORKLOAD_TYPE, type XdsConnection } from '@ambient/xds'
import type { FileProblem } from '@ambient/kube'
import { readNode } from '../push/node-id.ts'
import type { PublishedResources } from '../push/publish-resources.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { clientList, connectionList, syncStatus } from './connection-dumps.ts'
import { type DebugAccess, type DebugViewer, mayView } from './debug-access.ts'
import {
  ambientDump,
  authorizationDump,
  collectionDump,
  configDump,
  configObjects,
  serviceDump,
} from './mesh-dumps.ts'
import { endpointShards, instancesByClient } from './endpoint-dumps.ts'
import { meshConfigDump } from './mesh-config-dump.ts'
import { clusterList, gatewayList, resourceList } from './topology-dumps.ts'
import { renderJson } from './render-json.ts'

export interface DebugDeps extends DebugAccess {
  readonly clusterId: string
  /** The mesh's other clusters, and whether everything of them has been read. */
  readonly remoteClusters: () => readonly { readonly id: string; readonly isSynced: boolean }[]
  readonly trustDomain: string
  /** Where policies are for every namespace. */
  readonly rootNamespace: string
  /** Istiod's own. */
  readonly systemNamespace: string
  readonly state: MeshState
  readonly published: PublishedResources
  readonly connections: () => readonly XdsConnection[]
  readonly problems: () => readonly FileProblem[]
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>
}

export type DebugAnswer =
  | { readonly status: 200; readonly json: string }
  | { readonly status: 400 | 403 | 404; readonly text: string }

interface DebugCommand {
  readonly help: string
  /** A dump of one proxy, which must be named by `proxyID`: callers of its namespace may see it. */
  readonly isOfProxy?: boolean
  readonly dump: (deps: DebugDeps, query: URLSearchParams, proxy: XdsConnection | undefined) => unknown
}

const SHORT_TYPES: ReadonlyMap<string, readonly string[]> = new Map([
  ['wds', [ADDRESS_TYPE, WORKLOAD_TYPE]],
  ['wads', [AUTHORIZATION_TYPE]],
])

const ENDPOINTS: DebugCommand = {
  help: 'Endpoints by host name, namespace and registry',
  dump: ({ state }) => endpointShards(state.addresses),
}

/** Names are Istio's. */
const COMMANDS: Readonly<Record<string, DebugCommand>> = {
  adsz: {
    help: 'Connected clients, what they say of themselves and what they watch',
    dump: ({ connections }) => clientList(connections()),
  },
  ambientz: {
    help: 'Workloads, services and policies as they are sent',
    dump: ({ published }) => ambientDump(published),
  },
  authorizationz: {
    help: 'AuthorizationPolicies as they were read, by namespace',
    dump: ({ state, rootNamespace }) => authorizationDump(state, rootNamespace),
  },
  clusterz: {
    help: 'Clusters of the mesh, and whether they have been read',
    dump: ({ clusterId, remoteClusters }) => clusterList(clusterId, remoteClusters()),
  },
  config_dump: {
    help: 'What the client ?proxyID= is sent; ?types=wds,wads chooses',
    isOfProxy: true,
    dump: (_, query, proxy) => configDump(proxy?.views ?? [], typesOf(query)),
  },
  configz: {
    help: 'Objects that configure the mesh, as they were read',
    dump: ({ state }) => configObjects(state),
  },
  connections: {
    help: 'Connected clients',
    dump: ({ connections }) => connectionList(connections()),
  },
  endpointShardz: ENDPOINTS,
  endpointz: { ...ENDPOINTS, help: 'The same as endpointShardz' },
  instancesz: {
    help: 'Connected clients, and the services that their own pods are endpoints of',
    dump: ({ connections, state, clusterId }) => instancesByClient(connections(), state.addresses, clusterId),
  },
  krtz: {
    help: 'What is derived from the objects, how often it was worked out, and what could not be',
    dump: ({ state, problems }) => ({ ...collectionDump(state), problems: problems() }),
  },
  mesh: {
    help: 'The mesh configuration in force, and which of its settings have no effect',
    dump: meshConfigDump,
  },
  networkz: {
    help: 'Gateways by which other networks are reached',
    dump: ({ state }) => gatewayList(state),
  },
  registryz: {
    help: 'Services',
    dump: ({ state }) => serviceDump(state),
  },
  resourcesz: {
    help: 'Kinds of objects that are read',
    dump: ({ state }) => resourceList(state),
  },
  syncz: {
    help: 'What each client was sent and has acknowledged; ?namespace= chooses',
    dump: ({ connections, clusterId }, query) =>
      syncStatus(connections(), { clusterId, namespace: query.get('namespace') ?? undefined }),
  },
}

/** Names of the dumps. */
export const debugCommandNames: readonly string[] = [...Object.keys(COMMANDS), 'list'].toSorted()

/** Answers one request for a dump; what it may not see, or does not name well, it is told in one line. */
export async function runDebugCommand(
  name: string,
  query: URLSearchParams,
  viewer: DebugViewer,
  deps: DebugDeps,
): Promise<DebugAnswer> {
  const render = async (dump: unknown): Promise<DebugAnswer> => ({
    status: 200,
    json: await renderJson(dump, query.has('pretty') ? 'pretty' : 'compact', deps.clock),
  })
  if (name === 'list') return render(Object.keys(COMMANDS).toSorted())
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined)
    return { status: 404, text: `there is no "${name.slice(0, 100)}"; see /debug/list\n` }
  const proxyId = query.get('proxyID') ?? ''
  const proxy = proxyId === '' ? undefined : deps.connections().find(({ id }) => id.includes(proxyId))
  const refusal = refuse(command, { proxyId, proxy }, viewer, deps)
  return refusal ?? render(command.dump(deps, query, proxy))
}

/** @returns undefined when the dump may be shown. Whether a client is here is told to those only who might see it. */
function refuse(
  { isOfProxy = false }: DebugCommand,
  { proxyId, proxy }: { readonly proxyId: string; readonly proxy: XdsConnection | undefined },
  viewer: DebugViewer,
  access: DebugAccess,
): DebugAnswer | undefined {
  if (isOfProxy && proxyId === '')
    return { status: 400, text: 'name a client by ?proxyID=; see /debug/connections\n' }
  const namespace = isOfProxy && proxy !== undefined ? readNode(proxy.node)?.namespace : undefined
  if (!mayView(viewer, namespace, access)) return { status: 403, text: 'not for this namespace\n' }
  if (proxyId !== '' && proxy === undefined)
    return { status: 404, text: 'no such client here; it may be connected to another replica\n' }
  return undefined
}

/** The page at `/debug`: what there is, one a line. */
export function debugIndex(): string {
  return Object.entries(COMMANDS)
    .map(([name, { help }]) => `/debug/${name}  ${help}\n`)
    .join('')
}

function typesOf(query: URLSearchParams): readonly string[] | undefined {
  const types = query.get('types')
  return types === null ? undefined : types.split(',').flatMap((type) => SHORT_TYPES.get(type) ?? [type])
}
