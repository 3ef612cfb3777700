/** One target for some time. */
import { parentPort } from 'node:worker_threads'
import { fuzz } from './fuzz.ts'
import { fuzzTargets } from './fuzz-targets.ts'

export interface FuzzJob {
  readonly name: string
  readonly corpus: readonly string[]
  readonly seed: number
  readonly seconds: number
}

parentPort?.once('message', ({ name, corpus, seed, seconds }: FuzzJob) => {
  const target = fuzzTargets.find((each) => each.name === name)
  if (target === undefined) throw new Error(`There is no target "${name}"`)
  const endsAtMs = performance.now() + seconds * 1000
  parentPort?.postMessage(fuzz(target, { corpus, seed, isOver: () => performance.now() >= endsAtMs }), [])
})
