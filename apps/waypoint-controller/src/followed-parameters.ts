import { type KubeObject, objectKey, type ObjectRef, type ResourceSource } from '@ambient/kube'
import { parametersRef, type WaypointWorld } from './waypoint-world.ts'

export interface FollowedParametersDeps {
  readonly source: ResourceSource
  readonly world: WaypointWorld
  readonly onChange: () => void
  readonly onFailure: (cause: unknown) => void
  readonly signal: AbortSignal
}

/** The ConfigMaps that Gateways name, each followed on its own: those of a whole cluster would be many, and secret to others. */
export class FollowedParameters {
  readonly #deps: FollowedParametersDeps
  readonly #followed = new Map<string, AbortController>()
  readonly #running = new Set<Promise<void>>()

  constructor(deps: FollowedParametersDeps) {
    this.#deps = deps
    deps.signal.addEventListener('abort', () => this.followOnly([]), { once: true })
  }

  /** Follows what these Gateways name, and nothing else any more. */
  followOnly(gateways: readonly KubeObject[]): void {
    const wanted = new Map(
      gateways.flatMap((gateway) => {
        const ref = parametersRef(gateway)
        return ref === undefined ? [] : [[objectKey(ref), ref] as const]
      }),
    )
    for (const [key, controller] of this.#followed) {
      if (wanted.has(key)) continue
      controller.abort()
      this.#followed.delete(key)
    }
    for (const [key, ref] of wanted) {
      if (this.#followed.has(key) || this.#deps.signal.aborted) continue
      const controller = new AbortController()
      this.#followed.set(key, controller)
      const running = this.#follow(ref, controller.signal).catch(this.#deps.onFailure)
      this.#running.add(running)
      void running.finally(() => this.#running.delete(running))
    }
  }

  /** Resolves when nothing is followed any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #follow({ name, namespace }: ObjectRef & { namespace: string }, signal: AbortSignal): Promise<void> {
    const { source, world, onChange } = this.#deps
    const options = { namespace, fieldSelector: { 'metadata.name': name } }
    for await (const event of source.watch('ConfigMap', signal, options)) {
      if (event.type === 'synced') continue
      if (event.type === 'deleted') world.delete(event.object)
      else world.set(event.object)
      onChange()
    }
  }
}
