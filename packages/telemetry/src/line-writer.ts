import type { Writable } from 'node:stream'
import { LOG_LIMITS } from './log-limits.ts'

export interface LineWriterOptions {
  /** Lines kept while the stream is full; further ones are dropped and counted, never waited for. */
  readonly maxQueuedLines?: number
  readonly onDropped?: (count: number) => void
}

/**
 * Writes lines to a stream in batches, with a bound on what waits. Upstream blocks its data plane when the log cannot
 * be written; here lines are lost and counted instead.
 */
export class LineWriter {
  readonly #stream: Pick<Writable, 'write' | 'on'>
  readonly #options: LineWriterOptions
  #queue: string[] = []
  #isFull = false
  #isScheduled = false
  #dropped = 0

  constructor(stream: Pick<Writable, 'write' | 'on'>, options: LineWriterOptions = {}) {
    this.#stream = stream
    this.#options = options
    stream.on('drain', () => {
      this.#isFull = false
      this.flush()
    })
    stream.on('error', () => {}) // standard output closed under us: nobody is left to tell
  }

  readonly write = (line: string): void => {
    if (this.#queue.length >= (this.#options.maxQueuedLines ?? LOG_LIMITS.queuedLogLines.value)) {
      this.#dropped += 1
      this.#options.onDropped?.(1)
      return
    }
    this.#queue.push(line)
    if (this.#isScheduled || this.#isFull) return
    this.#isScheduled = true
    queueMicrotask(() => this.flush())
  }

  /** Lines lost so far. */
  get dropped(): number {
    return this.#dropped
  }

  /** Hands everything that waits to the stream, unless it is full; call before the process exits. */
  flush(): void {
    this.#isScheduled = false
    if (this.#isFull || this.#queue.length === 0) return
    const text = `${this.#queue.join('\n')}\n`
    this.#queue = []
    this.#isFull = !this.#stream.write(text)
  }
}
