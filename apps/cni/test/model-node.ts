import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KindName, KubeObject, ResourceSource, WatchEvent } from '@ambient/kube'
import { AsyncQueue } from '@ambient/lifecycle'
import { duplicateDescriptor, NetworkNamespace } from '@ambient/linux'
import { kubeObject } from './kube-object.ts'

/** One sandbox of a pod: a real namespace, of which the kernel is asked only which it is. */
export interface ModelSandbox {
  readonly netns: NetworkNamespace
  readonly containerId: string
  readonly ip: string
  redirect: 'absent' | 'complete' | 'draining'
}

/** A pod as its node and the API have it, which need not agree. */
export interface ModelPod {
  readonly uid: string
  label: 'ambient' | 'none' | undefined
  phase: 'Pending' | 'Running' | 'Succeeded'
  /** What the API says; empty until the kubelet has reported it. */
  ip: string
  annotation: string | undefined
  sandbox: ModelSandbox | undefined
}

/** Everything around the agent that outlives it: pods and their namespaces, rules in them, ztunnel, the host's set, objects. */
export class ModelNode {
  readonly pods = new Map<string, ModelPod>()
  readonly probes = new Map<string, string>()
  /** What ztunnel listens for, by the inode of the namespace. */
  readonly ztunnel = new Map<string, number>()
  readonly violations: string[] = []
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cni-model-'))
  isZtunnelUp = true
  isNamespaceAmbient = false
  /** Whether the next effect of an agent fails. */
  fails: () => boolean = () => false
  /** Pods that the agent's ZDS server tells each ztunnel of; gone with the agent. */
  #told: Map<string, number | undefined> | undefined
  readonly #followers: { readonly kind: string; readonly queue: AsyncQueue<WatchEvent> }[] = []
  readonly #sandboxes: ModelSandbox[] = []
  #numbers = 0

  get isAgentConnected(): boolean {
    return this.isZtunnelUp && this.#told !== undefined
  }

  newPod(): ModelPod {
    const uid = `uid-${++this.#numbers}`
    const pod: ModelPod = {
      uid,
      label: undefined,
      phase: 'Pending',
      ip: '',
      annotation: undefined,
      sandbox: undefined,
    }
    this.pods.set(uid, pod)
    this.#tell('added', pod)
    return pod
  }

  changed(pod: ModelPod): void {
    if (this.pods.has(pod.uid)) this.#tell('modified', pod)
  }

  deletePod(pod: ModelPod): void {
    this.pods.delete(pod.uid)
    this.#tell('deleted', pod)
  }

  labelNamespace(isAmbient: boolean): void {
    this.isNamespaceAmbient = isAmbient
    for (const { kind, queue } of this.#followers)
      if (kind === 'Namespace') queue.push({ type: 'modified', object: this.#namespaceObject() })
  }

  newSandbox(): ModelSandbox {
    const number = ++this.#numbers
    const sandbox: ModelSandbox = {
      netns: NetworkNamespace.create(),
      containerId: `c${number}`,
      ip: `10.0.${number >> 8}.${number & 255}`,
      redirect: 'absent',
    }
    this.#sandboxes.push(sandbox)
    return sandbox
  }

  isSelected({ label, phase }: ModelPod): boolean {
    return phase !== 'Succeeded' && (label === 'ambient' || (this.isNamespaceAmbient && label !== 'none'))
  }

  /** What is there, `synced`, and what comes. */
  source(): ResourceSource {
    return {
      list: () => Promise.resolve([]),
      watch: (kind) => {
        const queue = new AsyncQueue<WatchEvent>(10_000)
        for (const object of this.#objects(kind)) queue.push({ type: 'added', object })
        queue.push({ type: 'synced' })
        this.#followers.push({ kind, queue })
        return queue
      },
    }
  }

  endSources(): void {
    for (const { queue } of this.#followers.splice(0)) queue.close()
  }

  redirect(netns: NetworkNamespace): ModelSandbox['redirect'] {
    return this.#sandboxOf(netns).redirect
  }

  setRedirect(netns: NetworkNamespace, redirect: ModelSandbox['redirect']): void {
    const sandbox = this.#sandboxOf(netns)
    if (
      redirect === 'complete' &&
      this.isAgentConnected &&
      ![...this.ztunnel.values()].includes(netns.id().inode)
    )
      this.violations.push(`redirect without a listener in ${sandbox.containerId}`)
    if (redirect !== 'draining' || sandbox.redirect === 'complete') sandbox.redirect = redirect
  }

  /** What the agent's start gives to ztunnel's first snapshot: what is not in it loses its listeners. */
  connect(held: readonly { readonly uid: string; readonly netns: NetworkNamespace | undefined }[]): void {
    this.#told = new Map(held.map(({ uid, netns }) => [uid, netns?.id().inode]))
    this.snapshot()
  }

  disconnect(): void {
    this.#told = undefined
  }

  restartZtunnel(): void {
    this.ztunnel.clear()
    this.snapshot()
  }

  snapshot(): void {
    if (!this.isZtunnelUp || this.#told === undefined) return
    for (const uid of [...this.ztunnel.keys()]) if (!this.#told.has(uid)) this.ztunnel.delete(uid)
    for (const [uid, inode] of this.#told) if (inode !== undefined) this.ztunnel.set(uid, inode)
  }

  /** What the agent's ZDS server tells every ztunnel that comes. */
  tell(uid: string, inode: number | undefined): void {
    if (inode === undefined) this.#told?.delete(uid)
    else this.#told?.set(uid, inode)
  }

  annotate(uid: string, status: string | undefined): void {
    const pod = this.pods.get(uid)
    if (pod === undefined || pod.annotation === status) return
    pod.annotation = status
    this.changed(pod)
  }

  /** A descriptor of its own for each caller. */
  openSandbox(sandbox: ModelSandbox): NetworkNamespace {
    return NetworkNamespace.fromDescriptor(duplicateDescriptor(sandbox.netns.fd))
  }

  [Symbol.dispose](): void {
    for (const { netns } of this.#sandboxes) netns[Symbol.dispose]()
    rmSync(this.directory, { recursive: true })
  }

  #sandboxOf(netns: NetworkNamespace): ModelSandbox {
    const { inode } = netns.id()
    const found = this.#sandboxes.find((sandbox) => sandbox.netns.id().inode === inode)
    if (found === undefined) throw new Error('not a sandbox of this node')
    return found
  }

  #tell(type: 'added' | 'modified' | 'deleted', pod: ModelPod): void {
    for (const { kind, queue } of this.#followers)
      if (kind === 'Pod') queue.push({ type, object: podObject(pod) })
  }

  #objects(kind: KindName): readonly KubeObject[] {
    if (kind === 'Namespace') return [this.#namespaceObject()]
    return kind === 'Pod' ? [...this.pods.values()].map(podObject) : []
  }

  #namespaceObject(): KubeObject {
    const labels = this.isNamespaceAmbient ? { 'istio.io/dataplane-mode': 'ambient' } : {}
    return kubeObject('Namespace', { name: 'shop', uid: 'ns', labels }, {})
  }
}

function podObject({ uid, label, phase, ip, annotation }: ModelPod): KubeObject {
  const metadata = {
    name: uid,
    namespace: 'shop',
    uid,
    labels: label === undefined ? {} : { 'istio.io/dataplane-mode': label },
    annotations: annotation === undefined ? {} : { 'ambient.istio.io/redirection': annotation },
  }
  return kubeObject('Pod', metadata, {
    spec: { nodeName: 'node1' },
    status: { phase, ...(ip === '' ? {} : { podIP: ip }) },
  })
}
