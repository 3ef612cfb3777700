import {
  includesLabels,
  isStrictAt,
  type KubeObject,
  oldestPeerAuthentication,
  type PeerAuthentication,
  type PeerAuthenticationChain,
  readPeerAuthentication,
  type ResourceSource,
  strictPeerAuthentication,
} from '@ambient/kube'
import { messageOf } from '../cni-error.ts'

export interface MutualTlsOptions {
  readonly source: ResourceSource
  readonly rootNamespace: string
  /** Told after each change. */
  readonly onChange: () => void
  readonly onProblem: (message: string) => void
}

/** Which pods take no plaintext, by the PeerAuthentications of the cluster, kept current. */
export class MutualTls {
  readonly #options: MutualTlsOptions
  readonly #all = new Map<string, PeerAuthentication>()
  #isSynced = false

  constructor(options: MutualTlsOptions) {
    this.#options = options
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  /** Whether plaintext to a port of the pod is refused. */
  isStrict(
    pod: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
    port: number,
  ): boolean {
    return isStrictAt(chainFor([...this.#all.values()], pod), port)
  }

  /** Follows the source until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.source.watch('PeerAuthentication', signal)) {
      if (event.type === 'synced') this.#isSynced = true
      else if (event.type === 'deleted') this.#all.delete(event.object.metadata.uid)
      else this.#all.set(event.object.metadata.uid, this.#read(event.object))
      this.#options.onChange()
    }
  }

  /** One that cannot be understood refuses plaintext, as istiod has it. */
  #read(object: KubeObject): PeerAuthentication {
    const { rootNamespace, onProblem } = this.#options
    try {
      return readPeerAuthentication(object, rootNamespace)
    } catch (cause) {
      onProblem(messageOf(cause))
      return strictPeerAuthentication(object, rootNamespace)
    }
  }
}

/** The ones in force for one pod, the oldest of each level. Pure. */
function chainFor(
  all: readonly PeerAuthentication[],
  { namespace, labels }: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> },
): PeerAuthenticationChain {
  const local = all.filter((one) => one.namespace === namespace)
  return {
    mesh: oldestPeerAuthentication(all.filter(({ level }) => level === 'mesh')),
    namespace: oldestPeerAuthentication(local.filter(({ level }) => level === 'namespace')),
    workload: oldestPeerAuthentication(
      local.filter(({ level, matchLabels }) => level === 'workload' && includesLabels(labels, matchLabels)),
    ),
  }
}
