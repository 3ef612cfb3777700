import { expect, test } from 'vitest'
import { countResults } from './count-results.ts'

function report(...statuses: readonly string[]): string {
  return JSON.stringify({
    testResults: [
      {
        name: 'a.test.ts',
        message: '',
        assertionResults: statuses.map((status) => ({ status, fullName: status })),
      },
    ],
  })
}

test.each([
  { name: 'passed tests as passed', json: report('passed', 'passed'), code: 0, passed: 2, failed: 0 },
  {
    name: 'skipped and to-do tests as failed',
    json: report('passed', 'skipped', 'todo', 'pending'),
    code: 0,
    passed: 1,
    failed: 3,
  },
  { name: 'a file without tests as failed', json: report(), code: 0, passed: 0, failed: 1 },
  { name: 'a project without files as failed', json: '{"testResults":[]}', code: 0, passed: 0, failed: 1 },
  {
    name: 'an exit code that nothing explains as failed',
    json: report('passed'),
    code: 1,
    passed: 1,
    failed: 1,
  },
])('countResults() counts $name', ({ json, code, passed, failed }) => {
  expect(countResults(json, code)).toMatchObject({ passed, failed })
})
