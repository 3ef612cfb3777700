import { errorText } from '@ambient/lifecycle'
import type { ResourceSource } from '@ambient/kube'
import type { ClusterDns } from './cluster-dns.ts'
import { dnsHosts } from './cluster-dns.ts'
import type { LabNode } from './lab-node.ts'
import { serviceEndpoints } from './service-endpoints.ts'
import type { LabFamily } from './lab-addresses.ts'
import { serviceHooks, serviceRules } from './service-rules.ts'

export interface ClusterNetworkDeps {
  readonly resources: ResourceSource
  readonly nodes: readonly { readonly node: LabNode; readonly dns: ClusterDns }[]
  readonly families: readonly LabFamily[]
  readonly report: (message: string) => void
}

/** Keeps the service rules and the DNS of every node as Services and ready pods have it. */
export class ClusterNetwork implements AsyncDisposable {
  readonly #deps: ClusterNetworkDeps
  readonly #ended = new AbortController()
  readonly #watching: Promise<unknown>
  #isDirty = false
  #updating: Promise<void> | undefined
  readonly #rules = new Map<LabFamily, string>()
  #hosts = ''

  private constructor(deps: ClusterNetworkDeps) {
    this.#deps = deps
    this.#watching = Promise.all([this.#watch('Service'), this.#watch('Pod')])
  }

  static async open(deps: ClusterNetworkDeps): Promise<ClusterNetwork> {
    for (const family of deps.families)
      await Promise.all(deps.nodes.map(({ node }) => restore(node, family, serviceHooks)))
    return new ClusterNetwork(deps)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#watching
    await this.#updating
  }

  async #watch(kind: 'Service' | 'Pod'): Promise<void> {
    for await (const _ of this.#deps.resources.watch(kind, this.#ended.signal)) {
      this.#isDirty = true
      this.#updating ??= this.#update().finally(() => (this.#updating = undefined))
    }
  }

  /** Changes that come while one is made are all made next. */
  async #update(): Promise<void> {
    while (this.#isDirty && !this.#ended.signal.aborted) {
      this.#isDirty = false
      try {
        await this.#apply()
      } catch (cause) {
        this.#deps.report(`Cannot update the service rules: ${errorText(cause)}`)
      }
    }
  }

  async #apply(): Promise<void> {
    const { resources, nodes, families } = this.#deps
    const services = serviceEndpoints(await resources.list('Service'), await resources.list('Pod'))
    for (const family of families) {
      const rules = serviceRules(services, family)
      if (rules === this.#rules.get(family)) continue
      await Promise.all(nodes.map(({ node }) => restore(node, family, rules)))
      this.#rules.set(family, rules)
    }
    const hosts = dnsHosts(services)
    if (hosts !== this.#hosts) await Promise.all(nodes.map(({ dns }) => dns.replace(hosts)))
    this.#hosts = hosts
  }
}

async function restore(node: LabNode, family: LabFamily, rules: string): Promise<void> {
  const program = family === 'ipv4' ? 'iptables-restore' : 'ip6tables-restore'
  await node.mustRun([program, '--noflush', '--wait', '10'], { input: rules })
}
