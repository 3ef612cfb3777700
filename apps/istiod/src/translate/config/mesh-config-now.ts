import type { MeshState } from '../mesh-state.ts'
import { type MeshConfig, NO_MESH_CONFIG } from './mesh-config.ts'

/** The mesh's configuration that is in force, for those outside of the graph. */
export class MeshConfigNow {
  readonly #state: Pick<MeshState, 'config'>
  #changed: PromiseWithResolvers<void> = Promise.withResolvers()

  constructor(state: Pick<MeshState, 'config'>) {
    this.#state = state
    state.config.onChange(() => {
      this.#changed.resolve()
      this.#changed = Promise.withResolvers()
    })
  }

  get current(): MeshConfig {
    const [entry] = this.#state.config.entries()
    return entry?.[1] ?? NO_MESH_CONFIG
  }

  /** Settles when `current` is another. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }
}
