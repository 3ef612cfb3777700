import type { ResourceSource } from '@ambient/kube'
import type { ClusterDns } from './cluster-dns.ts'
import { dnsHosts } from './cluster-dns.ts'
import type { LabNode } from './lab-node.ts'
import { serviceEndpoints } from './service-endpoints.ts'
import { serviceHooks, serviceRules } from './service-rules.ts'

export interface ClusterNetworkDeps {
  readonly resources: ResourceSource
  readonly nodes: readonly { readonly node: LabNode; readonly dns: ClusterDns }[]
  readonly report: (message: string) => void
}

/** Keeps the service rules and the DNS of every node as Services and ready pods have it. */
export class ClusterNetwork implements AsyncDisposable {
  readonly #deps: ClusterNetworkDeps
  readonly #ended = new AbortController()
  readonly #watching: Promise<unknown>
  #isDirty = false
  #updating: Promise<void> | undefined
  #rules = ''
  #hosts = ''

  private constructor(deps: ClusterNetworkDeps) {
    this.#deps = deps
    this.#watching = Promise.all([this.#watch('Service'), this.#watch('Pod')])
  }

  static async open(deps: ClusterNetworkDeps): Promise<ClusterNetwork> {
    await Promise.all(deps.nodes.map(({ node }) => restore(node, serviceHooks)))
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
        this.#deps.report(
          `Cannot update the service rules: ${cause instanceof Error ? cause.message : String(cause)}`,
        )
      }
    }
  }

  async #apply(): Promise<void> {
    const { resources, nodes } = this.#deps
    const services = serviceEndpoints(await resources.list('Service'), await resources.list('Pod'))
    const rules = serviceRules(services)
    if (rules !== this.#rules) await Promise.all(nodes.map(({ node }) => restore(node, rules)))
    this.#rules = rules
    const hosts = dnsHosts(services)
    if (hosts !== this.#hosts) await Promise.all(nodes.map(({ dns }) => dns.replace(hosts)))
    this.#hosts = hosts
  }
}

async function restore(node: LabNode, rules: string): Promise<void> {
  await node.mustRun(['iptables-restore', '--noflush', '--wait', '10'], { input: rules })
}
