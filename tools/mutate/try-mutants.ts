import { Worker } from 'node:worker_threads'
import type { Mutant } from './make-mutants.ts'
import type { Trial, TrialResult } from './mutant-thread.ts'

export interface MutantResult {
  readonly mutant: Mutant
  /** The test that noticed it, or that it went on for ever. */
  readonly killedBy: string | undefined
}

export interface TrialSettings {
  readonly folder: string
  /** Files of tests, quick ones first. */
  readonly tests: readonly string[]
  readonly threads: number
  readonly deadlineMs: number
}

type Job = Pick<Mutant, 'file' | 'source'>

/** Runs the tests on each mutant until one of them fails. The sources on disk stay as they are. */
export async function tryMutants(
  mutants: readonly Mutant[],
  settings: TrialSettings,
): Promise<readonly MutantResult[]> {
  const results: MutantResult[] = []
  const queue = mutants.entries()
  const lane = async (): Promise<void> => {
    using thread = new TrialThread(settings)
    for (const [number, mutant] of queue) {
      results[number] = { mutant, killedBy: await thread.run(number + 1, mutant) }
    }
  }
  await Promise.all(Array.from({ length: settings.threads }, lane))
  return results
}

/** @returns The test that fails on the sources as they are. */
export async function tryUnchanged(settings: TrialSettings): Promise<string | undefined> {
  using thread = new TrialThread(settings)
  return await thread.run(0, { file: '', source: '' }) // the thread lives until then
}

class TrialThread implements Disposable {
  readonly #settings: TrialSettings
  #worker: Worker | undefined

  constructor(settings: TrialSettings) {
    this.#settings = settings
  }

  /** A thread that does not come back is ended, and another one goes on. */
  async run(number: number, { file, source }: Job): Promise<string | undefined> {
    this.#worker ??= new Worker(new URL('./mutant-thread.ts', import.meta.url))
    const worker = this.#worker
    const { folder, tests, deadlineMs } = this.#settings
    const trial: Trial = { number, folder, tests, file, source }
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
    const timer = setTimeout(() => {
      this[Symbol.dispose]()
      resolve(`nothing, for ${deadlineMs} ms`)
    }, deadlineMs)
    const onMessage = (result: TrialResult): void => resolve(result.killedBy)
    worker.once('message', onMessage)
    worker.once('error', reject)
    worker.postMessage(trial, [])
    return promise.finally(() => {
      clearTimeout(timer)
      worker.off('message', onMessage)
      worker.off('error', reject)
    })
  }

  [Symbol.dispose](): void {
    void this.#worker?.terminate()
    this.#worker = undefined
  }
}
