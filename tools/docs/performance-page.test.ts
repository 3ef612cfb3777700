import { expect, test } from 'vitest'
import type { BenchSample } from '../bench/sample.ts'
import { performancePage } from './performance-page.ts'

const BEGIN =
  '<!-- begin: made by tools/docs/main.ts from docs/performance.jsonl, the values of one run -->\n'
const sample: BenchSample = {
  case: 'bytes',
  contestant: 'none',
  round: 1,
  value: 5,
  unit: 'MB/s',
  load: 0.5,
  foreign: 0.1,
}
const run = { machine: 'm1: 2 cores', command: 'npm run bench -- race', day: '2026-01-31' }
const file = [run, sample].map((line) => JSON.stringify(line)).join('\n')

test('performancePage() writes between its marks, leaves the rest, and changes nothing the second time', () => {
  const page = performancePage(`# Before\n${BEGIN}old\n<!-- end -->\nAfter\n`, file)
  expect(page.startsWith(`# Before\n${BEGIN}`)).toBe(true)
  expect(page).toContain('`npm run bench -- race` on 2026-01-31. Machine: m1: 2 cores.')
  expect(page).toContain('| bytes | MB/s | 5.00 |')
  expect(page).toContain('bytes (MB/s)\n  none █')
  expect(page).not.toContain('old')
  expect(page.endsWith('<!-- end -->\nAfter\n')).toBe(true)
  expect(performancePage(page, file)).toBe(page)
})

test('performancePage() says so when nothing has been measured', () => {
  expect(performancePage(`${BEGIN}<!-- end -->\n`, '')).toBe(
    `${BEGIN}\nNo run has been recorded.\n\n<!-- end -->\n`,
  )
})

test('performancePage() refuses a page without its marks', () => {
  expect(() => performancePage('# Before\n', file)).toThrow('put its two marks back')
})
