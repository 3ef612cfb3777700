import { expect, test } from 'vitest'
import { countOf, runSteps, runTests } from './run-steps.ts'
import type { Step } from './steps.ts'

function shell(name: string, script: string): Step {
  return { name, command: ['sh', '-c', script] }
}

test('runSteps() goes on after a failure and shows the output of the failed one only', async () => {
  const written: string[] = []
  const steps = [shell('first', 'echo quiet'), shell('second', 'echo loud; exit 3'), shell('third', 'true')]
  expect(await runSteps(steps, { folder: '/', write: (text) => written.push(text) })).toEqual({
    passed: 2,
    failed: 1,
  })
  expect(written.join('')).toMatch(
    /^ok   first \([\d.]+ s\)\nloud\nFAIL second \([\d.]+ s\)\nok   third \([\d.]+ s\)\n$/,
  )
})

test('runSteps() counts a program that is not there as a failure', async () => {
  const step: Step = { name: 'gone', command: ['/nonexistent/program'] }
  expect(await runSteps([step], { folder: '/', write: () => undefined })).toEqual({ passed: 0, failed: 1 })
})

test('runTests() takes the last count that was printed', async () => {
  const step = shell('tests', 'echo "1 passed, 0 failed"; echo "7 passed, 2 failed"; exit 1')
  expect(await runTests(step, { folder: '/', write: () => undefined })).toEqual({ passed: 7, failed: 2 })
})

test('countOf() counts a failure when a run ends badly with none, or without a count', () => {
  expect(countOf('5 passed, 0 failed\n', 1)).toEqual({ passed: 5, failed: 1 })
  expect(countOf('Segmentation fault\n', 0)).toEqual({ passed: 0, failed: 1 })
  expect(countOf('5 passed, 0 failed\n', 0)).toEqual({ passed: 5, failed: 0 })
})
