import type { Collection, CollectionIndex } from '@ambient/collections'
import type { Address, Workload } from '@ambient/model'
import { type AuthorizationPolicy, policyKey } from '@ambient/policy'
import type { ResourceTable, ResourceView } from '@ambient/xds'

/** What runs on a node, as far as it decides which policies can apply there. */
interface NodeContent {
  /** How many workloads name each policy, and how many are in each namespace. */
  readonly named: Counts
  readonly namespaces: Counts
  readonly watchers: Set<() => void>
}

type Counts = Map<string, number>

const EVERYWHERE = '*'

/**
 * Which policies can apply to a workload on which node, and views of just those: a node proxy is told of no other, so
 * that whoever takes a node over reads the policies of what runs there and not those of the whole mesh.
 */
export class NodePolicies {
  readonly #table: ResourceTable
  readonly #policies: Collection<AuthorizationPolicy>
  /** Policies that no workload names, by the namespace they are for. */
  readonly #unnamed: CollectionIndex<AuthorizationPolicy>
  readonly #nodes = new Map<string, NodeContent>()

  /** @param table The policies as they are sent, kept equal to `policies`. */
  constructor(
    table: ResourceTable,
    state: { readonly policies: Collection<AuthorizationPolicy>; readonly addresses: Collection<Address> },
  ) {
    this.#table = table
    this.#policies = state.policies
    this.#unnamed = state.policies.index(({ scope, namespace }) =>
      scope === 'global' ? [EVERYWHERE] : scope === 'namespace' ? [namespace] : [],
    )
    for (const [, address] of state.addresses.entries()) this.#count(undefined, address)
    state.addresses.onChange((changes) => {
      const touched = new Set(changes.flatMap(({ before, after }) => this.#count(before, after)))
      for (const content of touched) for (const notify of content.watchers) notify()
    })
  }

  /** @param node Undefined for a client on no node, to which no policy applies. */
  viewFor(node: string | undefined): ResourceView {
    const table = this.#table
    const get: ResourceView['get'] = (name) => (this.#isFor(node, name) ? table.get(name) : undefined)
    const names = (): ReadonlySet<string> =>
      new Set([...this.#namesFor(node)].filter((name) => get(name) !== undefined))
    return {
      typeUrl: table.typeUrl,
      get size() {
        return names().size
      },
      names,
      get,
      find: () => [],
      onChange: (notify) => {
        let visible = names()
        const refresh = (changed: ReadonlySet<string>): void => {
          const before = visible
          visible = names()
          const told = before.symmetricDifference(visible).union(changed.intersection(visible))
          if (told.size > 0) notify(told)
        }
        const leave = [table.onChange(refresh), this.#watch(node, () => refresh(new Set()))]
        return () => leave.forEach((end) => end())
      },
    }
  }

  #watch(node: string | undefined, notify: () => void): () => void {
    if (node === undefined) return () => {}
    const { watchers } = this.#contentOf(node)
    watchers.add(notify)
    return () => {
      watchers.delete(notify)
      this.#forgetIfEmpty(node)
    }
  }

  /** Those named, and those of the namespaces that have workloads there. */
  *#namesFor(node: string | undefined): Iterable<string> {
    const content = node === undefined ? undefined : this.#nodes.get(node)
    if (content === undefined || content.namespaces.size === 0) return
    for (const namespace of [EVERYWHERE, ...content.namespaces.keys()]) {
      for (const policy of this.#unnamed.find(namespace)) yield policyKey(policy)
    }
    yield* content.named.keys()
  }

  #isFor(node: string | undefined, name: string): boolean {
    const policy = this.#policies.get(name)
    const content = node === undefined ? undefined : this.#nodes.get(node)
    if (policy === undefined || content === undefined || content.namespaces.size === 0) return false
    if (policy.scope === 'global') return true
    return policy.scope === 'namespace' ? content.namespaces.has(policy.namespace) : content.named.has(name)
  }

  /** @returns The nodes on which something else can apply now. */
  #count(before: Address | undefined, after: Address | undefined): readonly NodeContent[] {
    const [old, now] = [subjectOf(before), subjectOf(after)]
    if (old === undefined && now === undefined) return []
    if (old !== undefined && now !== undefined && isSameSubject(old, now)) return []
    const touched = [old, now].flatMap((workload) =>
      workload === undefined ? [] : [this.#contentOf(workload.node)],
    )
    if (now !== undefined) addTo(this.#contentOf(now.node), now, 1)
    if (old !== undefined) {
      addTo(this.#contentOf(old.node), old, -1)
      this.#forgetIfEmpty(old.node)
    }
    return touched
  }

  #contentOf(node: string): NodeContent {
    const content = this.#nodes.get(node) ?? {
      named: new Map(),
      namespaces: new Map(),
      watchers: new Set(),
    }
    this.#nodes.set(node, content)
    return content
  }

  #forgetIfEmpty(node: string): void {
    const content = this.#nodes.get(node)
    if (content?.namespaces.size === 0 && content.watchers.size === 0) this.#nodes.delete(node)
  }
}

type Subject = Pick<Workload, 'node' | 'namespace' | 'authorizationPolicies'>

/** A workload that a node proxy may have to enforce policies for: not one on the node's own network. */
function subjectOf(address: Address | undefined): Subject | undefined {
  if (address?.kind !== 'workload') return undefined
  const { workload } = address
  return workload.node === '' || workload.networkMode === 'host-network' ? undefined : workload
}

function isSameSubject(a: Subject, b: Subject): boolean {
  return (
    a.node === b.node &&
    a.namespace === b.namespace &&
    a.authorizationPolicies.length === b.authorizationPolicies.length &&
    a.authorizationPolicies.every((name, index) => name === b.authorizationPolicies[index])
  )
}

function addTo({ named, namespaces }: NodeContent, workload: Subject, by: 1 | -1): void {
  add(namespaces, workload.namespace, by)
  for (const name of workload.authorizationPolicies) add(named, name, by)
}

function add(counts: Counts, key: string, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}
