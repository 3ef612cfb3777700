import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'

const EVERY_MS = 25
const ECHO = ['-e', 'process.stdin.pipe(process.stdout)']

/**
 * A process that has nothing to do but send back what it gets, asked all the while: what it takes is what the machine
 * takes for any two processes, its other work included.
 */
export class IdleProcess implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #asking: NodeJS.Timeout
  readonly #ended: Promise<unknown>
  readonly #askedMs: number[] = []
  readonly #tookMs: number[] = []

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#ended = once(child, 'exit')
    child.stdout.on('data', (bytes: Buffer) => this.#onAnswer(bytes.length))
    this.#asking = setInterval(() => {
      this.#askedMs.push(performance.now())
      child.stdin.write('.')
    }, EVERY_MS)
  }

  /** @returns once it answers */
  static async start(): Promise<IdleProcess> {
    const child = spawn(process.execPath, ECHO, { stdio: 'pipe' })
    child.stdin.write('.')
    await once(child.stdout, 'data')
    return new IdleProcess(child)
  }

  /** @returns Milliseconds from each question to its answer, once the last has come. */
  async end(): Promise<readonly number[]> {
    clearInterval(this.#asking)
    this.#child.stdin.end()
    await this.#ended
    return this.#tookMs
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  #onAnswer(count: number): void {
    const nowMs = performance.now()
    for (const askedMs of this.#askedMs.splice(0, count)) this.#tookMs.push(nowMs - askedMs)
  }
}
