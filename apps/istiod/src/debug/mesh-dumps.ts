import { errorText } from '@ambient/lifecycle'
import type { KubeObject } from '@ambient/kube'
import { isServiceName, type Service } from '@ambient/model'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, describeResource, type ResourceView } from '@ambient/xds'
import type { PublishedResources } from '../push/publish-resources.ts'
import type { MeshState } from '../translate/mesh-state.ts'
import { LazyList } from './render-json.ts'

/** Everything there is of the mesh's L4, as it is sent. @see Istio `pilot/pkg/xds/debug.go` ambientz */
export function ambientDump({ addresses, policies }: PublishedResources): object {
  const described = function* (isService: boolean): Iterable<unknown> {
    for (const name of [...addresses.names()].toSorted()) {
      if (isServiceName(name) !== isService) continue
      const address = addresses.get(name)
      if (address !== undefined) yield describeResource(address)[isService ? 'service' : 'workload']
    }
  }
  return {
    workloads: new LazyList(() => described(false)),
    services: new LazyList(() => described(true)),
    policies: new LazyList(() => contentOf(policies, describeResource)),
  }
}

/** Services in the shape of Istio's registry, as far as there is something to say of them at L4. */
export function serviceDump(state: MeshState): LazyList {
  return new LazyList(function* () {
    for (const [, address] of sortedEntries(state.addresses.entries()))
      if (address.kind === 'service') yield describeService(address.service)
  })
}

export function describeService({
  name,
  namespace,
  hostname,
  addresses,
  ports,
  subjectAltNames,
}: Service): object {
  return {
    hostname,
    defaultAddress: addresses[0]?.ip ?? '0.0.0.0',
    clusterVIPs: addresses.map(({ network, ip }) => ({ network, address: ip })),
    ports: ports.map(({ servicePort, targetPort }) => ({ port: servicePort, targetPort })),
    serviceAccounts: subjectAltNames,
    Attributes: { Name: name, Namespace: namespace },
  }
}

/** Policies in the shape of Istio's store of them. */
export function authorizationDump(state: MeshState, rootNamespace: string): object {
  const byNamespace = new Map<string, KubeObject[]>()
  for (const [, policy] of sortedEntries(state.inputs.get('AuthorizationPolicy')?.entries() ?? [])) {
    const { namespace = '' } = policy.metadata
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), policy])
  }
  return {
    authorization_policies: {
      namespace_to_policies: Object.fromEntries(
        [...byNamespace].map(([namespace, policies]) => [namespace, policies.map(describePolicy)]),
      ),
      root_namespace: rootNamespace,
    },
  }
}

function describePolicy({ metadata: { name, namespace, annotations }, spec }: KubeObject): object {
  return { name, namespace, annotations, spec: spec ?? {} }
}

/** What one client was sent, or is to be, in the form of Envoy's config dump. */
export function configDump(
  views: readonly ResourceView[],
  typeUrls: readonly string[] = [ADDRESS_TYPE, AUTHORIZATION_TYPE],
): object {
  return {
    configs: new LazyList(function* () {
      for (const view of views) {
        if (!typeUrls.includes(view.typeUrl)) continue
        yield* contentOf(view, (resource) => ({ '@type': view.typeUrl, ...describeResource(resource) }))
      }
    }),
  }
}

/** The objects that configure the mesh, as they were read. */
export function configObjects(state: MeshState): LazyList {
  return new LazyList(function* () {
    for (const [, objects] of state.inputs)
      for (const [, object] of sortedEntries(objects.entries())) if (isConfig(object)) yield object
  })
}

function isConfig({ apiVersion }: KubeObject): boolean {
  return /(^|\.)istio\.io\/|^gateway\.networking\.k8s\.io\//.test(apiVersion)
}

/** What is derived from what, how often it was worked out, and what cannot be. */
export function collectionDump(state: MeshState): object {
  return {
    collections: Object.fromEntries(
      [...state.graph.evaluationsByName].map(([name, evaluations]) => [name, { evaluations }]),
    ),
    faults: state.graph.faults.map(({ collection, key, cause, hasLastGood }) => ({
      collection,
      key,
      error: errorText(cause),
      hasLastGood,
    })),
  }
}

function* contentOf(
  view: ResourceView,
  describe: (resource: Parameters<typeof describeResource>[0]) => unknown,
): Iterable<unknown> {
  for (const name of [...view.names()].toSorted()) {
    const resource = view.get(name)
    if (resource !== undefined) yield describe(resource)
  }
}

function sortedEntries<V>(entries: Iterable<[string, V]>): readonly [string, V][] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))
}
