import {
  describeRef,
  type KindName,
  type KubeObject,
  objectKey,
  type ResourceSource,
  type ResourceWriter,
} from '@ambient/kube'
import { Backoff, type Clock, errorText, type Random } from '@ambient/lifecycle'
import type { Logger } from '@ambient/telemetry'
import { FollowedParameters } from './followed-parameters.ts'
import { GATEWAY_NAME_LABEL, MANAGED_LABEL, MANAGED_VALUE, MESH_CONTROLLER } from './plan/gateway-names.ts'
import { classConditionsToWrite, WAYPOINT_GATEWAY_CLASS } from './plan/plan-class.ts'
import type { PlanInput, WaypointDefaults } from './plan/plan-input.ts'
import { describeAction, planWaypoint, type WaypointAction, type WaypointPlan } from './plan/plan-waypoint.ts'
import { statusToWrite } from './plan/waypoint-status.ts'
import { WaypointWorld, writtenKinds } from './waypoint-world.ts'
import { CONTROLLER_LIMITS } from './controller-limits.ts'

export interface ControllerDeps {
  readonly resources: ResourceSource & ResourceWriter
  readonly defaults: WaypointDefaults
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Told of each Gateway that was brought to its plan, or could not be. */
  readonly onSettled: (outcome: 'reached' | 'foreign' | 'failed') => void
}

const OWNER = { owner: MESH_CONTROLLER }
/** Of what is written, only what this controller made is followed; the rest is asked for when it is in the way. */
const MADE_HERE = { matchLabels: { [MANAGED_LABEL]: MANAGED_VALUE }, matchExpressions: [] }
const CLASSES = 'GatewayClass'

/**
 * Brings every Gateway of the mesh's classes to its waypoint, until `signal` aborts. Level-triggered: whatever changes,
 * the whole plan of each Gateway that it may concern is made again, and one that failed is tried again by itself.
 */
export async function runWaypointController(deps: ControllerDeps, signal: AbortSignal): Promise<void> {
  const controller = new WaypointController(deps, signal)
  await controller.run()
}

class WaypointController {
  readonly #deps: ControllerDeps
  readonly #signal: AbortSignal
  readonly #world = new WaypointWorld()
  readonly #parameters: FollowedParameters
  /** Keys of Gateways to look at, and `CLASSES` for all classes. */
  readonly #dirty = new Set<string>()
  readonly #backoffs = new Map<string, Backoff>()
  #wake = Promise.withResolvers<void>()

  constructor(deps: ControllerDeps, signal: AbortSignal) {
    this.#deps = deps
    this.#signal = signal
    this.#parameters = new FollowedParameters({
      source: deps.resources,
      world: this.#world,
      onChange: () => this.#markAll(),
      onFailure: (cause) => deps.logger.warn('cannot follow parameters', { error: errorText(cause) }),
      signal,
    })
  }

  async run(): Promise<void> {
    const { systemNamespace } = this.#deps.defaults
    const waiting = new Set<KindName>(['Gateway', CLASSES, 'Namespace', 'ConfigMap', ...writtenKinds])
    const synced = Promise.withResolvers<void>()
    const follow = async (kind: KindName): Promise<void> => {
      const options = {
        ...(kind === 'ConfigMap' ? { namespace: systemNamespace } : {}),
        ...(writtenKinds.includes(kind) ? { labelSelector: MADE_HERE } : {}),
      }
      for await (const event of this.#deps.resources.watch(kind, this.#signal, options)) {
        if (event.type === 'synced') {
          waiting.delete(kind)
          if (waiting.size === 0) synced.resolve()
        } else {
          if (event.type === 'deleted') this.#world.delete(event.object)
          else this.#world.set(event.object)
          this.#markFor(event.object)
        }
      }
    }
    const onAbort = (): void => {
      synced.resolve()
      this.#wake.resolve()
    }
    this.#signal.addEventListener('abort', onAbort, { once: true })
    const watches = Promise.all([...waiting].map(follow))
    await Promise.race([synced.promise, watches])
    this.#markAll()
    await Promise.race([this.#settleAll(), watches.then(() => new Promise<never>(() => {}))])
    await watches
    await this.#parameters.ended()
    this.#signal.removeEventListener('abort', onAbort)
  }

  async #settleAll(): Promise<void> {
    while (!this.#signal.aborted) {
      const keys = [...this.#dirty]
      this.#dirty.clear()
      for (const key of keys) if (!this.#signal.aborted) await this.#settle(key)
      if (this.#dirty.size > 0) continue
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
  }

  async #settle(key: string): Promise<void> {
    try {
      if (key === CLASSES) await this.#settleClasses()
      else await this.#settleGateway(key)
      this.#backoffs.delete(key)
    } catch (cause) {
      if (this.#signal.aborted) return
      this.#deps.onSettled('failed')
      const delayMs = this.#delayMs(key)
      this.#deps.logger.warn('cannot bring a Gateway to its waypoint', {
        gateway: key,
        error: errorText(cause),
        retryMs: Math.round(delayMs),
      })
      this.#deps.clock.sleep(delayMs, this.#signal).then(
        () => this.#mark(key),
        () => {}, // rejects only when it is to end
      )
    }
  }

  async #settleGateway(key: string): Promise<void> {
    const input = this.#world.inputFor(key, this.#deps.defaults)
    this.#parameters.followOnly(this.#world.all('Gateway'))
    if (input === undefined) return // its objects go with it, by their owner reference
    const plan = await this.#planKnowingAll(input)
    this.#deps.onSettled(plan.kind === 'foreign' ? 'foreign' : 'reached')
    if (plan.kind === 'foreign') return
    for (const action of plan.actions) {
      await this.#act(action)
      this.#deps.logger.info('written', { gateway: key, action: describeAction(action) })
    }
    const status = statusToWrite(input.gateway, plan.status, this.#deps.clock.nowMs())
    if (status === undefined) return
    const { kind, metadata } = input.gateway
    const { namespace = 'default', name, uid } = metadata
    await this.#deps.resources.applyStatus({ kind, namespace, name, uid }, status, OWNER)
  }

  /** The plan, made again if something that is not followed stands where it wants to write. */
  async #planKnowingAll(input: PlanInput): Promise<WaypointPlan> {
    const plan = planWaypoint(input)
    if (plan.kind === 'foreign') return plan
    const unknown: KubeObject[] = []
    for (const action of plan.actions) {
      if (action.kind !== 'apply') continue
      const { kind, metadata } = action.object
      const { name, namespace = 'default' } = metadata
      if (this.#world.get(kind, objectKey({ name, namespace })) !== undefined) continue
      const options = { namespace, fieldSelector: { 'metadata.name': name } }
      unknown.push(...(await this.#deps.resources.list(kind, options)))
    }
    if (unknown.length === 0) return plan
    return planWaypoint({ ...input, observed: [...input.observed, ...unknown] })
  }

  async #act(action: WaypointAction): Promise<void> {
    const { resources } = this.#deps
    if (action.kind === 'apply') return resources.apply(action.object, OWNER)
    if (action.kind === 'delete') return resources.delete(action.ref, OWNER)
    return resources.applyAnnotations(action.ref, action.annotations, OWNER)
  }

  async #settleClasses(): Promise<void> {
    const { resources, clock, logger } = this.#deps
    const { name } = WAYPOINT_GATEWAY_CLASS.metadata
    if (this.#world.get('GatewayClass', name) === undefined) {
      await resources.apply(WAYPOINT_GATEWAY_CLASS, OWNER)
      logger.info('written', { action: describeRef({ kind: 'GatewayClass', name }) })
    }
    for (const ofClass of this.#world.all('GatewayClass')) {
      const conditions = classConditionsToWrite(ofClass, clock.nowMs())
      if (conditions === undefined) continue
      const { kind, metadata } = ofClass
      await resources.applyStatus({ kind, name: metadata.name, uid: metadata.uid }, { conditions }, OWNER)
    }
  }

  #markFor({ kind, metadata }: KubeObject): void {
    const { namespace = 'default', name, labels } = metadata
    if (kind === 'Gateway') return this.#mark(objectKey({ namespace, name }))
    const gateway = labels[GATEWAY_NAME_LABEL]
    if (gateway !== undefined && kind !== 'ConfigMap')
      return this.#mark(objectKey({ namespace, name: gateway }))
    this.#markAll()
  }

  #markAll(): void {
    this.#mark(CLASSES)
    for (const { metadata } of this.#world.all('Gateway')) this.#mark(objectKey(metadata))
  }

  #mark(key: string): void {
    this.#dirty.add(key)
    this.#wake.resolve()
  }

  #delayMs(key: string): number {
    const { retryMs, maxRetryMs } = CONTROLLER_LIMITS
    const backoff =
      this.#backoffs.get(key) ??
      new Backoff(
        { firstMs: retryMs.value, factor: 2, maxMs: maxRetryMs.value, jitter: 0.2 },
        this.#deps.random,
      )
    this.#backoffs.set(key, backoff)
    return backoff.nextMs()
  }
}
