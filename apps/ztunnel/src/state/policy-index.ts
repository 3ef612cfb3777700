import type { Workload } from '@ambient/model'
import {
  type AuthorizationPolicy,
  type CompiledPolicies,
  type CompiledPolicy,
  compilePolicy,
  joinPolicies,
  policyKey,
} from '@ambient/policy'
import { SNAPSHOT_LIMITS } from './snapshot-limits.ts'

export interface WorkloadPolicies {
  readonly policies: readonly AuthorizationPolicy[]
  /** Names that the workload refers to and that have not arrived: the workload is closed until they have. */
  readonly unknown: readonly string[]
}

interface Entry {
  readonly policy: AuthorizationPolicy
  compiled: CompiledPolicy | undefined
}

const GLOBAL = ''

/** Policies by key and by the namespace they cover; each is compiled once, when a connection first asks for it. */
export class PolicyIndex {
  readonly #byKey = new Map<string, Entry>()
  /** Keys of namespace-wide policies; those of the whole mesh under the empty namespace. */
  readonly #covering = new Map<string, Set<string>>()
  readonly #joined = new Map<string, CompiledPolicies>()

  put(policy: AuthorizationPolicy): void {
    const key = policyKey(policy)
    this.remove(key)
    this.#joined.clear()
    this.#byKey.set(key, { policy, compiled: undefined })
    const cover = coverOf(policy)
    if (cover === undefined) return
    const keys = this.#covering.get(cover) ?? new Set<string>()
    this.#covering.set(cover, keys.add(key))
  }

  /** @returns whether the policy was known. */
  remove(key: string): boolean {
    const entry = this.#byKey.get(key)
    if (entry === undefined) return false
    this.#joined.clear()
    this.#byKey.delete(key)
    const cover = coverOf(entry.policy)
    if (cover === undefined) return true
    const keys = this.#covering.get(cover)
    keys?.delete(key)
    if (keys?.size === 0) this.#covering.delete(cover)
    return true
  }

  get(key: string): AuthorizationPolicy | undefined {
    return this.#byKey.get(key)?.policy
  }

  /** Its namespace's, the mesh's, and those it names, each once. */
  for(workload: PolicySubject): WorkloadPolicies {
    const { entries, unknown } = this.#entriesFor(workload)
    return { policies: entries.map(({ policy }) => policy), unknown }
  }

  compiledFor(workload: PolicySubject): CompiledPolicies {
    const key = `${workload.namespace}\u0000${workload.authorizationPolicies.join('\u0000')}`
    const known = this.#joined.get(key)
    if (known !== undefined) return known
    if (this.#joined.size >= SNAPSHOT_LIMITS.joinedPolicySets.value) this.#joined.clear()
    const { entries, unknown } = this.#entriesFor(workload)
    const joined = joinPolicies(
      entries.map((entry) => (entry.compiled ??= compilePolicy(entry.policy))),
      unknown,
    )
    this.#joined.set(key, joined)
    return joined
  }

  values(): AuthorizationPolicy[] {
    return [...this.#byKey.values()].map(({ policy }) => policy)
  }

  #entriesFor(workload: PolicySubject): {
    readonly entries: readonly Entry[]
    readonly unknown: readonly string[]
  } {
    const inNamespace = workload.namespace === GLOBAL ? [] : (this.#covering.get(workload.namespace) ?? [])
    const keys = new Set([
      ...inNamespace,
      ...(this.#covering.get(GLOBAL) ?? []),
      ...workload.authorizationPolicies,
    ])
    const entries: Entry[] = []
    const unknown: string[] = []
    for (const key of keys) {
      const entry = this.#byKey.get(key)
      if (entry === undefined) unknown.push(key)
      else entries.push(entry)
    }
    return { entries, unknown }
  }
}

export type PolicySubject = Pick<Workload, 'namespace' | 'authorizationPolicies'>

function coverOf(policy: AuthorizationPolicy): string | undefined {
  switch (policy.scope) {
    case 'global':
      return GLOBAL
    case 'namespace':
      return policy.namespace
    case 'workload-selector':
      return undefined
  }
}
