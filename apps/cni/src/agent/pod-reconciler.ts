import type { NetworkNamespace } from '@ambient/linux'
import { CniError, isZdsFailure, messageOf } from '../cni-error.ts'
import { Places } from '../places.ts'
import type { ProbeEntry } from '../redirect/host-probe.ts'
import type { AgentDeps } from './agent-deps.ts'
import { cniLimits } from './cni-limits.ts'
import { enrolPod, type NewSandbox } from './enrol-pod.ts'
import { type MeshPod, MeshPods, noKeptConnections, type PodState } from './mesh-pod.ts'
import { resetRefusedOf } from './plaintext-connections.ts'
import { planPod, type PodStep } from './plan-pod.ts'
import { podFields, podInfo } from './pod-fields.ts'
import { podOfRecord } from './pod-records.ts'
import { PodRetries } from './pod-retries.ts'
import { isSameNetns } from './find-netns.ts'
import { renewRules, verifyRules } from './pod-rules.ts'
import type { PodView } from './pod-view.ts'
import { SerialWork } from './serial-work.ts'
import { Turns } from './turns.ts'
import { forgetPod, goOnDraining, startDraining } from './unenrol-pod.ts'

const ANNOTATION = 'ambient.istio.io/redirection'

/**
 * Brings each pod of the node to where it should be, one step after the other and one pod independent of the next. Level
 * triggered: a step looks at everything again, so a lost event costs time and not truth.
 */
export class PodReconciler implements AsyncDisposable {
  readonly pods: MeshPods = new MeshPods()
  readonly #deps: AgentDeps
  readonly #work = new SerialWork()
  /** Running pods move from one backend to another one by one. */
  readonly #moves = new Turns((uid) => this.touch(uid))
  readonly #enrolments = new Places(cniLimits.enrolments)
  readonly #touched = new Set<string>()
  readonly #retries: PodRetries
  /** Sandboxes that are being enrolled, by container. */
  readonly #making = new Map<string, string>()
  #isRunning = false

  constructor(deps: AgentDeps) {
    this.#deps = deps
    this.#retries = new PodRetries(deps.random, (uid) => this.touch(uid))
  }

  /** From now on changes lead to steps. Call it when what an earlier agent left has been taken over. */
  start(): void {
    this.#isRunning = true
    const uids = new Set([
      ...this.#deps.cluster.pods().map((pod) => pod.uid),
      ...this.#deps.records.uids(),
      ...this.pods.all().map((pod) => pod.uid),
    ])
    for (const uid of uids) this.touch(uid)
  }

  /** Something about the pod may have changed. */
  touch(uid: string): void {
    if (!this.#isRunning || this.#touched.has(uid)) return
    this.#touched.add(uid)
    void this.#work.run(uid, () => this.#pass(uid))
  }

  touchPending(): void {
    for (const { uid, state } of this.pods.all()) if (state.kind === 'pending') this.touch(uid)
  }

  /** Enrols a pod before its first container starts. @throws {CniError} when it cannot be; nothing of it stays then */
  enrolNew(sandbox: NewSandbox): Promise<void> {
    const { uid } = sandbox.pod
    this.#making.set(sandbox.containerId, uid)
    return this.#work.run(uid, () =>
      this.#make(sandbox).finally(() => {
        this.#making.delete(sandbox.containerId)
        this.touch(uid) // the annotation, and whatever else is left to do
      }),
    )
  }

  /** Looks at the rules of an enrolled pod, and writes them again when somebody changed them. */
  async verify(uid: string): Promise<void> {
    const seen = await this.#step(uid, (held, pod) =>
      this.#areRulesRight(held) ? verifyRules(held, pod, this.#deps) : Promise.resolve(held),
    )
    if (seen?.areRulesWhole === false) this.touch(uid)
  }

  /** Puts the addresses of an enrolled pod into the host's set again, from which somebody took them. @returns whether it is one still */
  async restoreAddresses(uid: string): Promise<boolean> {
    const seen = await this.#step(uid, async (held) => {
      await this.#deps.probeSet.add(held.ips.map((ip) => ({ ip, uid })))
      return held
    })
    return seen !== undefined
  }

  /** PeerAuthentications have changed: what enrolment kept may be refused from now on. */
  resetRefused(): void {
    for (const { uid } of this.pods.all().filter(({ kept }) => kept.count > 0)) {
      void this.#step(uid, async (held, pod) => resetRefusedOf(held, pod, this.#deps)).catch(
        (cause: unknown) =>
          this.#deps.logger.warn('cannot look at kept connections', { uid, error: messageOf(cause) }),
      )
    }
  }

  /** Takes an address out of the host's set that is none of the pod's any more, if that is known by now. */
  dropAddress({ ip, uid }: ProbeEntry): Promise<void> {
    return this.#work.run(uid, async () => {
      const pod = this.#deps.cluster.pod(uid)
      const isUnreported = pod !== undefined && !pod.isFinished && pod.ips.length === 0
      if (isUnreported || this.pods.get(uid)?.ips.includes(ip) === true) return
      await this.#deps.probeSet.remove([{ ip, uid }])
    })
  }

  /** The processes of a pod are in a namespace of which nobody told us. Owns `netns`. */
  foundElsewhere(uid: string, netns: NetworkNamespace): Promise<void> {
    return this.#work.run(uid, async () => {
      const held = this.pods.get(uid)
      const pod = this.#deps.cluster.pod(uid)
      if (held === undefined || pod === undefined || isSameNetns(netns, held.netns))
        return netns[Symbol.dispose]()
      try {
        this.#deps.logger.warn('pod has a sandbox that was made without the plugin', podFields(pod))
        await forgetPod(held, uid, this.#deps)
      } finally {
        this.pods.put({ ...this.#blank(pod), netns })
      }
      this.touch(uid)
    })
  }

  /** ztunnel does not listen in an enrolled pod; one that believes it does must be told to let go first. */
  async listenAgain(uid: string, how: 'told-again' | 'taken-anew'): Promise<void> {
    await this.#step(uid, async (held, pod) => {
      if (held.netns === undefined) return held
      this.#deps.logger.warn('ztunnel does not listen in a pod of the mesh', { ...podFields(pod), how })
      if (how === 'taken-anew') await this.#deps.ztunnels.remove(uid)
      await this.#deps.ztunnels.add(uid, podInfo(pod), held.netns)
      this.#deps.metrics.add('ambient_cni_listeners_restored_total', 1)
      return held
    })
  }

  /** The runtime has taken a sandbox down. Another than the one we hold is none of our business. */
  detach(containerId: string): Promise<void> {
    const uids = this.pods
      .all()
      .filter((pod) => pod.containerId === containerId)
      .map((pod) => pod.uid)
    const making = this.#making.get(containerId)
    const detached = [...new Set(making === undefined ? uids : [...uids, making])].map((uid) =>
      this.#work.run(uid, async () => {
        const held = this.pods.get(uid)
        if (held?.containerId !== containerId) return
        await forgetPod(held, uid, this.#deps)
        this.pods.put({
          ...held,
          state: { kind: 'detached' },
          netns: undefined,
          ips: [],
          kept: noKeptConnections,
        })
        this.touch(uid)
      }),
    )
    return Promise.all(detached).then(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isRunning = false
    this.#retries[Symbol.dispose]()
    await this.#work.idle()
    this.pods[Symbol.dispose]() // descriptors only: rules and listeners stay as they are
  }

  /** Something that is done to an enrolled pod, when its turn comes. @returns what is held then; undefined when it is none any more */
  #step(uid: string, step: (held: MeshPod, pod: PodView) => Promise<MeshPod>): Promise<MeshPod | undefined> {
    return this.#work.run(uid, async () => {
      const held = this.pods.get(uid)
      const pod = this.#deps.cluster.pod(uid)
      if (held?.state.kind !== 'enrolled' || pod === undefined) return undefined
      return this.pods.put(await step(held, pod))
    })
  }

  async #make(sandbox: NewSandbox): Promise<void> {
    const netns = this.#deps.finder.open(sandbox.netnsPath)
    try {
      this.pods.put(await enrolPod({ ...sandbox, netns, age: 'new', earlier: undefined }, this.#deps))
      this.#count('add')
    } catch (cause) {
      await this.#undo(sandbox, netns).catch((problem: unknown) =>
        this.#deps.logger.warn('cannot undo all of an enrolment', {
          ...podFields(sandbox.pod),
          error: messageOf(problem),
        }),
      )
      throw cause
    }
  }

  async #pass(uid: string): Promise<void> {
    this.#touched.delete(uid)
    if (!this.#isRunning) return
    this.#retries.started(uid)
    try {
      const goOn = async (): Promise<void> => {
        const step = this.#plan(uid)
        if (step !== 'none') await this.#take(step, uid)
      }
      // Many at once only keep each other waiting; a sandbox that the runtime is making is not kept waiting by them.
      await (this.#plan(uid) === 'enrol' ? this.#enrolments.run(goOn) : goOn())
      if (this.pods.get(uid)?.state.kind !== 'draining') this.#retries.succeeded(uid)
    } catch (cause) {
      this.#failed(uid, cause)
    }
  }

  #plan(uid: string): PodStep {
    const pod = this.#deps.cluster.pod(uid)
    const held = this.pods.get(uid)
    const isSelected = pod !== undefined && this.#deps.cluster.wants(pod, this.#deps.selection)
    return planPod({
      presence:
        pod === undefined || pod.isFinished ? 'gone' : pod.ips.length === 0 ? 'waiting-for-ip' : 'running',
      isSelected,
      annotation: pod?.annotations[ANNOTATION],
      state: held?.state,
      areIpsKnown: pod === undefined || pod.ips.every((ip) => held?.ips.includes(ip)),
      areRulesRight: held !== undefined && this.#areRulesRight(held),
      hasRecord: this.#deps.records.get(uid) !== undefined,
    })
  }

  async #take(step: Exclude<PodStep, 'none'>, uid: string): Promise<void> {
    const pod = this.#deps.cluster.pod(uid)
    if (step !== 'go-on-draining') this.#count(step)
    if (step === 'forget' || pod === undefined) {
      const held = this.pods.get(uid)
      if (held?.state.kind !== 'detached') await forgetPod(held, uid, this.#deps)
      return this.pods.delete(uid)
    }
    switch (step) {
      case 'enrol':
        return this.#enrolRunning(pod)
      case 'renew-rules':
        return this.#renewRules(pod)
      case 'refresh':
        return this.#refresh(pod)
      case 'start-draining':
        return this.#startDraining(pod)
      case 'go-on-draining':
        return this.#goOnDraining(pod)
      case 'clean-annotation':
        this.#deps.records.delete(uid)
        return this.#deps.annotate(pod, undefined)
    }
  }

  /** One that is said to be in the mesh already is broken, since we hold nothing of it: what becomes of such is configured. */
  async #enrolRunning(pod: PodView): Promise<void> {
    if (pod.annotations[ANNOTATION] !== 'enabled') return this.#enrolAsItIs(pod)
    const held = this.pods.get(pod.uid) ?? this.#blank(pod)
    if (held.netns === undefined) this.pods.put({ ...held, netns: this.#findNetns(pod) }) // it runs, and not unseen
    const outcome = await this.#deps.repairs.handle(pod, () => this.#enrolAsItIs(pod))
    if (outcome === 'left') this.pods.put({ ...this.#blank(pod), state: { kind: 'broken' } })
  }

  async #enrolAsItIs(pod: PodView): Promise<void> {
    const held = this.pods.get(pod.uid) ?? this.#blank(pod)
    const netns = held.netns ?? this.#findNetns(pod)
    const backends = [...new Set([...held.backends, this.#deps.backends.chosen.name])]
    // Put away first: whatever happens below, the descriptor has an owner, and it is known whose rules may be there.
    const state: PodState =
      held.state.kind === 'pending' ? held.state : { kind: 'pending', cause: 'being enrolled' }
    const { containerId, ips } = this.pods.put({ ...held, netns, state, backends, ips: pod.ips })
    this.pods.put(await enrolPod({ pod, netns, containerId, ips, age: 'running', earlier: held }, this.#deps))
    await this.#annotateEnabled(pod)
  }

  #areRulesRight({ backends, areRulesWhole }: MeshPod): boolean {
    return areRulesWhole && backends.length === 1 && backends[0] === this.#deps.backends.chosen.name
  }

  async #renewRules(pod: PodView): Promise<void> {
    const held = this.pods.get(pod.uid)
    if (held === undefined) return
    const renew = async (): Promise<void> => void this.pods.put(await renewRules(held, pod, this.#deps))
    if (!held.areRulesWhole) await renew()
    else if (!(await this.#moves.take(pod.uid, renew))) return
    this.touch(pod.uid) // the annotation and the addresses are looked at next
  }

  /** The addresses in the host's set, then the annotation: after it nobody looks again. */
  async #refresh(pod: PodView): Promise<void> {
    const held = this.pods.get(pod.uid)
    if (held === undefined) return
    const ips = pod.ips.length === 0 ? held.ips : pod.ips
    const gone = held.ips.filter((ip) => !ips.includes(ip))
    await this.#deps.probeSet.remove(gone.map((ip) => ({ ip, uid: pod.uid })))
    await this.#deps.probeSet.add(ips.map((ip) => ({ ip, uid: pod.uid })))
    this.pods.put({ ...held, ips })
    await this.#annotateEnabled(pod)
  }

  async #annotateEnabled(pod: PodView): Promise<void> {
    if (pod.annotations[ANNOTATION] !== 'enabled') await this.#deps.annotate(pod, 'enabled')
  }

  async #startDraining(pod: PodView): Promise<void> {
    let held = this.pods.get(pod.uid) ?? this.#blank(pod)
    if (held.netns === undefined) {
      const hasRecord = this.#deps.records.get(pod.uid) !== undefined
      if (!hasRecord && pod.annotations[ANNOTATION] !== 'enabled') return this.#giveUp(pod)
      const backends = held.backends.length === 0 ? [this.#deps.backends.chosen.name] : held.backends
      held = this.pods.put({ ...held, netns: this.#findNetns(pod), backends, ips: pod.ips })
    }
    this.pods.put(await startDraining(held, pod, this.#deps))
    this.#retries.after(pod.uid, cniLimits.drainPollMs)
  }

  /** It never came so far that anything of ours could be in its netns. */
  async #giveUp(pod: PodView): Promise<void> {
    if (pod.annotations[ANNOTATION] !== undefined) await this.#deps.annotate(pod, undefined)
    await this.#deps.ztunnels.remove(pod.uid)
    this.pods.delete(pod.uid)
  }

  async #goOnDraining(pod: PodView): Promise<void> {
    const held = this.pods.get(pod.uid)
    if (held === undefined) return
    const after = await goOnDraining(held, pod, this.#deps)
    if (after === undefined) return this.pods.delete(pod.uid)
    this.pods.put(after)
    this.#retries.after(pod.uid, cniLimits.drainPollMs)
  }

  #findNetns(pod: PodView): NetworkNamespace {
    const found = this.#deps.finder.scan([pod]).get(pod.cgroupUid)
    if (found !== undefined) return found
    throw new CniError(
      'NETNS_NOT_FOUND',
      'No process of the pod was found in a network namespace that has its address',
    )
  }

  #blank({ uid }: PodView): MeshPod {
    return podOfRecord(uid, this.#deps.records.get(uid))
  }

  /** A sandbox that could not be enrolled is thrown away by the runtime; ours goes with it. */
  async #undo({ pod, ips }: NewSandbox, netns: NetworkNamespace): Promise<void> {
    const held: MeshPod = { ...this.#blank(pod), state: { kind: 'detached' }, ips }
    try {
      await forgetPod(held, pod.uid, this.#deps)
    } finally {
      netns[Symbol.dispose]()
      this.pods.put({ ...held, ips: [] })
    }
  }

  #failed(uid: string, cause: unknown): void {
    const text = messageOf(cause)
    const pod = this.#deps.cluster.pod(uid)
    const held = this.pods.get(uid)
    const said = held?.state.kind === 'pending' ? held.state.cause : undefined
    if (text !== said)
      this.#deps.logger.warn('pod is not where it should be; trying again', {
        ...(pod === undefined ? { uid } : podFields(pod)),
        error: text,
      })
    if (pod !== undefined && (held === undefined || held.state.kind === 'pending')) {
      this.pods.put({ ...(held ?? this.#blank(pod)), state: { kind: 'pending', cause: text } })
      if (isZdsFailure(cause) && pod.annotations[ANNOTATION] !== 'pending') this.#annotatePending(pod)
    }
    this.#count('failed')
    this.#retries.failed(uid)
  }

  #annotatePending(pod: PodView): void {
    void this.#work.run(pod.uid, () =>
      this.#deps.annotate(pod, 'pending').catch((cause: unknown) => {
        this.#deps.logger.warn('cannot annotate pod as pending', {
          ...podFields(pod),
          error: messageOf(cause),
        })
      }),
    )
  }

  #count(type: string): void {
    this.#deps.metrics.add('nodeagent_reconcile_events_total', 1, [type])
  }
}
