/** `npm run check`: everything a change must pass. Every check and every test is a case; ends with `N passed, N failed`. */
import { join } from 'node:path'
import { runSteps, runTests } from './run-steps.ts'
import { steps, testRun } from './steps.ts'

const options = {
  folder: join(import.meta.dirname, '..', '..'),
  write: (text: string) => void process.stdout.write(text),
}
const checks = await runSteps(steps, options)
const tests = await runTests(testRun, options)
const failed = checks.failed + tests.failed
process.stdout.write(`${checks.passed + tests.passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
