import { fieldsOf, KubeError } from '@ambient/kube'
import type { KubeObject, ObjectRef, ResourceSource, ResourceWriter } from '@ambient/kube'
import { errorText, type Clock, type Random } from '@ambient/lifecycle'
import { LabError } from './lab-error.ts'
import type { LabNode } from './lab-node.ts'
import { PodRun } from './pod-run.ts'
import type { Sandbox } from './pod-run.ts'
import { podCgroup } from './pod-sandbox.ts'
import { readPodSpec } from './pod-spec.ts'
import type { PodSpec } from './pod-spec.ts'
import { podStatus } from './pod-status.ts'
import type { PodObservation } from './pod-status.ts'
import type { TokenIssuer } from './token-issuer.ts'

export interface KubeletDeps {
  readonly resources: ResourceSource & ResourceWriter
  readonly nodes: ReadonlyMap<string, LabNode>
  readonly openSandbox: (spec: PodSpec, node: LabNode) => Promise<Sandbox>
  readonly tokens: TokenIssuer
  readonly logFile: (spec: PodSpec, container: string) => string
  /** Where the volumes of a pod in the node's own namespaces lie. */
  readonly volumeDirectory: (spec: PodSpec) => string
  /** Called after each change of a pod's status. */
  readonly onChange: () => void
  /** Takes the object of a pod that was asked to end, and has, out of the directory. */
  readonly forget: (ref: ObjectRef) => Promise<void>
  /** Told of everything that nobody waits for. */
  readonly report: (message: string) => void
  readonly clock: Clock
  readonly random: Random
}

/** The kubelets of all nodes: makes pods as the objects say, and says in the objects how they are. */
export class Kubelet implements AsyncDisposable {
  readonly #deps: KubeletDeps
  readonly #runs = new Map<string, PodRun>()
  readonly #stopping = new Map<string, Promise<void>>()
  /** Why a pod is not even tried, by `namespace/name`. */
  readonly #problems = new Map<string, string>()
  readonly #ended = new AbortController()
  readonly #watching: Promise<void>

  constructor(deps: KubeletDeps) {
    this.#deps = deps
    this.#watching = this.#watch()
  }

  /** The pod of that name that runs now, or undefined. */
  find(namespace: string, name: string): PodRun | undefined {
    return this.pods().find(({ spec }) => spec.namespace === namespace && spec.name === name)
  }

  /** Why the pod of that name is not even tried. */
  problem(name: string): string | undefined {
    return this.#problems.get(name)
  }

  pods(): readonly PodRun[] {
    return [...this.#runs.values()]
  }

  /** Ends the watching; pods go with their node. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#watching
    await Promise.allSettled(this.#stopping.values())
    await Promise.allSettled(this.pods().map((run) => run.abandon()))
  }

  /** Ends every pod in its proper way, CNI DEL included. */
  async stopPods(): Promise<void> {
    await Promise.all([...this.#runs.keys()].map((uid) => this.#stop(uid)))
  }

  async #watch(): Promise<void> {
    for await (const event of this.#deps.resources.watch('Pod', this.#ended.signal)) {
      if (event.type === 'synced') continue
      const { namespace = 'default', name } = event.object.metadata
      const key = `${namespace}/${name}`
      this.#problems.delete(key)
      try {
        this.#follow(event.type === 'deleted', event.object)
      } catch (cause) {
        const message = errorText(cause)
        this.#problems.set(key, message)
        this.#deps.report(`Cannot run Pod ${key}: ${message}`)
      }
    }
  }

  #follow(isGone: boolean, pod: KubeObject): void {
    const { uid } = pod.metadata
    if (isGone || pod.metadata.deletionTimestamp !== undefined) {
      void this.#stop(uid).then(() => (isGone ? undefined : this.#forget(pod)))
      return
    }
    if (this.#runs.has(uid) || this.#stopping.has(uid)) return
    const spec = readPodSpec(pod)
    const node = this.#deps.nodes.get(spec.nodeName)
    if (node !== undefined) this.#runs.set(uid, this.#start(spec, node))
  }

  #start(spec: PodSpec, node: LabNode): PodRun {
    const { clock, random, logFile, openSandbox, tokens } = this.#deps
    return new PodRun(spec, {
      hostIp: node.ip,
      openSandbox: (pod) =>
        pod.hostNetwork
          ? Promise.resolve(hostSandbox(pod, node, this.#deps.volumeDirectory(pod)))
          : openSandbox(pod, node),
      volumes: {
        configMap: (namespace, name) => this.#configMap(namespace, name),
        token: (pod, volume) => tokens.issue({ ...pod, pod }, volume),
      },
      logFile,
      writeStatus: (pod, seen) => this.#writeStatus(pod, seen),
      probe: async (url) =>
        (await node.run(['curl', '--silent', '--fail', '--max-time', '1', '--output', '/dev/null', url]))
          .code === 0,
      clock,
      random,
    })
  }

  #stop(uid: string): Promise<void> {
    const run = this.#runs.get(uid)
    const stopping = this.#stopping.get(uid)
    if (stopping !== undefined || run === undefined) return stopping ?? Promise.resolve()
    const stopped = run.stop().then(
      () => undefined,
      (cause: unknown) => this.#deps.report(`Cannot end Pod ${run.spec.name}: ${errorText(cause)}`),
    )
    const done = stopped.then(() => {
      this.#runs.delete(uid)
      this.#stopping.delete(uid)
    })
    this.#stopping.set(uid, done)
    return done
  }

  async #forget(pod: KubeObject): Promise<void> {
    const { namespace, name } = pod.metadata
    await this.#deps.forget({ kind: 'Pod', name, ...(namespace === undefined ? {} : { namespace }) })
  }

  async #configMap(namespace: string, name: string): Promise<Readonly<Record<string, string>>> {
    const found = await this.#deps.resources.list('ConfigMap', { namespace })
    const map = found.find(({ metadata }) => metadata.name === name)
    if (map === undefined) throw new LabError('NOT_FOUND', `There is no ConfigMap ${namespace}/${name}`)
    return fieldsOf(map).get('data').textMap()
  }

  /** A pod that was deleted or replaced meanwhile needs no status. */
  async #writeStatus(spec: PodSpec, seen: PodObservation): Promise<void> {
    const { namespace, name, uid } = spec
    try {
      await this.#deps.resources.applyStatus({ kind: 'Pod', namespace, name, uid }, podStatus(seen), {
        owner: 'kubelet',
      })
    } catch (cause) {
      if (!(cause instanceof KubeError) || !['OBJECT_NOT_FOUND', 'OBJECT_REPLACED'].includes(cause.code))
        throw cause
    }
    this.#deps.onChange()
  }
}

/** A pod with `hostNetwork`: the node's own namespaces, in a cgroup of its own. */
function hostSandbox(spec: PodSpec, node: LabNode, volumeDirectory: string): Sandbox {
  return {
    ips: [node.ip],
    pid: node.holder.pid,
    volumeDirectory,
    commandLine: (argv, container) => node.commandLine(argv, `${podCgroup(spec.uid)}/${container}`),
    remove: () => node.removeCgroup(podCgroup(spec.uid)),
  }
}
