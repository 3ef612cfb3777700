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

test('performancePage() writes between its marks, leaves the rest, and changes nothing the second time', () => {
  const page = performancePage(`# Before\n${BEGIN}old\n<!-- end -->\nAfter\n`, [sample])
  expect(page.startsWith(`# Before\n${BEGIN}`)).toBe(true)
  expect(page).toContain('| bytes | MB/s | 5.00 |')
  expect(page).toContain('bytes (MB/s)\n  none █')
  expect(page).not.toContain('old')
  expect(page.endsWith('<!-- end -->\nAfter\n')).toBe(true)
  expect(performancePage(page, [sample])).toBe(page)
})

test('performancePage() says so when nothing has been measured', () => {
  expect(performancePage(`${BEGIN}<!-- end -->\n`, [])).toBe(
    `${BEGIN}\nNo run has been recorded.\n\n<!-- end -->\n`,
  )
})

test('performancePage() refuses a page without its marks', () => {
  expect(() => performancePage('# Before\n', [sample])).toThrow('put its two marks back')
})
