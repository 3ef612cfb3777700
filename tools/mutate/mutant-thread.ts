/** Tries mutants one after the other: a test file is loaded anew for each, and with it the changed source. */
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parentPort } from 'node:worker_threads'
import * as fc from 'fast-check'
import { takeTests } from './collected-tests.ts'

/** What a thread is asked; without a mutant the tests must pass. */
export interface Trial {
  readonly number: number
  /** Sources of the project lie in here. */
  readonly folder: string
  readonly tests: readonly string[]
  readonly file: string
  readonly source: string
}

export interface TrialResult {
  readonly number: number
  /** The test that noticed. */
  readonly killedBy: string | undefined
}

/** The same tests each time. */
const SEED = 20_260
const STAND_IN = new URL('./collected-tests.ts', import.meta.url).href
let trial: Trial | undefined

fc.configureGlobal({ seed: SEED })
registerHooks({
  resolve: (specifier, context, next) => {
    const isTried = trial !== undefined && context.parentURL?.endsWith(`?mutant=${trial.number}`) === true
    if (isTried && specifier === 'vitest') return { url: STAND_IN, shortCircuit: true }
    const found = next(specifier, context)
    const isOurs = isTried && found.url.startsWith(pathToFileURL(`${trial?.folder}/`).href)
    return isOurs ? { ...found, url: `${found.url}?mutant=${trial?.number}` } : found
  },
  load: (url, context, next) => {
    const [plain = url, query] = url.split('?')
    const isMutant = query !== undefined && trial !== undefined && fileURLToPath(plain) === trial.file
    if (!isMutant) return next(url, context)
    return { format: 'module-typescript', source: trial?.source ?? '', shortCircuit: true }
  },
})

parentPort?.on('message', (asked: Trial) => {
  void tried(asked).then((killedBy) => {
    const result: TrialResult = { number: asked.number, killedBy }
    parentPort?.postMessage(result, [])
  })
})

async function tried(asked: Trial): Promise<string | undefined> {
  trial = asked
  for (const file of asked.tests) {
    try {
      await import(`${pathToFileURL(file).href}?mutant=${asked.number}`)
    } catch {
      return `${file} cannot be loaded`
    }
    for (const { name, run } of takeTests()) {
      try {
        await run()
      } catch {
        return name
      }
    }
  }
  return undefined
}
