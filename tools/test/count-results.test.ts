import { expect, test } from 'vitest'
import { countResults } from './count-results.ts'

function report(...statuses: readonly string[]): string {
  const assertionResults = statuses.map((status) => ({ status, fullName: status }))
  return JSON.stringify({ testResults: [{ name: 'a.test.ts', message: '', assertionResults }] })
}

test.each([
  { name: 'passed tests as passed', json: report('passed', 'passed'), exitCode: 0, passed: 2, failed: 0 },
  {
    name: 'skipped and to-do tests as failed',
    json: report('passed', 'skipped', 'todo', 'pending'),
    exitCode: 0,
    passed: 1,
    failed: 3,
  },
  { name: 'a file without tests as failed', json: report(), exitCode: 0, passed: 0, failed: 1 },
  {
    name: 'a project without files as failed',
    json: '{"testResults":[]}',
    exitCode: 0,
    passed: 0,
    failed: 1,
  },
  {
    name: 'an exit code that nothing explains as failed',
    json: report('passed'),
    exitCode: 1,
    passed: 1,
    failed: 1,
  },
])('countResults() counts $name', ({ json, exitCode, passed, failed }) => {
  expect(countResults(json, { exitCode, allowSkip: false })).toMatchObject({ passed, failed, skipped: 0 })
})

test('countResults() counts skipped tests apart when the run allows them, to-do tests never', () => {
  const counted = countResults(report('passed', 'skipped', 'pending', 'todo'), {
    exitCode: 0,
    allowSkip: true,
  })
  expect(counted).toEqual({ passed: 1, failed: 1, skipped: 2, reasons: ['todo: todo'] })
})
