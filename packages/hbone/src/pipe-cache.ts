import { closeDescriptor, makePipe, SyscallError, type Pipe } from '@ambient/linux'
import type { HboneLimits } from './limits.ts'

/** Empty pipes kept for the next long connection: a pipe costs two descriptors and three calls to make. */
export class PipeCache {
  readonly #limits: HboneLimits
  readonly #idle: Pipe[] = []

  constructor(limits: HboneLimits) {
    this.#limits = limits
  }

  /** Pipes that are open and unused; two descriptors each. */
  get idleCount(): number {
    return this.#idle.length
  }

  /** @returns `undefined` when descriptors have run out: copying still works. */
  take(): Pipe | undefined {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    try {
      return makePipe(this.#limits.pipeBytes)
    } catch (cause) {
      if (cause instanceof SyscallError) return undefined
      throw cause
    }
  }

  /** @param heldBytes What is still in it: only an empty pipe can be used again. */
  giveBack(pipe: Pipe, heldBytes: number): void {
    if (heldBytes === 0 && this.#idle.length < this.#limits.idlePipes) this.#idle.push(pipe)
    else closePipe(pipe)
  }

  close(): void {
    for (const pipe of this.#idle.splice(0)) closePipe(pipe)
  }
}

function closePipe(pipe: Pipe): void {
  closeDescriptor(pipe.readEnd)
  closeDescriptor(pipe.writeEnd)
}
