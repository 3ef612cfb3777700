import { expect, test } from 'vitest'
import type { Exception } from './exceptions.ts'
import { judge } from './judge.ts'
import { h2specPage } from './page.ts'
import type { CaseOutcome } from './run-cases.ts'

const exceptions: readonly Exception[] = [
  { flavour: 'plain', ids: ['http2/5/2'], reason: 'needs content' },
  { flavour: 'connect', ids: ['http2/5/3'], reason: 'has no path' },
]

function outcomes(...verdicts: CaseOutcome['verdict'][]): readonly CaseOutcome[] {
  return verdicts.map((verdict, i) => ({ id: `http2/5/${i + 1}`, title: `case ${i + 1}`, verdict }))
}

test('judge() counts what passes, and has nothing to say when the rest are exceptions', () => {
  expect(judge('plain', outcomes('passed', 'skipped', 'passed'), exceptions)).toEqual({
    passed: 2,
    wrong: [],
  })
})

test.each<{
  readonly name: string
  readonly verdicts: readonly CaseOutcome['verdict'][]
  readonly wrong: string
}>([
  { name: 'a case that fails', verdicts: ['failed', 'failed'], wrong: 'http2/5/1 (case 1): failed' },
  {
    name: 'a case that leaves itself out',
    verdicts: ['skipped', 'failed'],
    wrong: 'http2/5/1 (case 1): skipped',
  },
  { name: 'an exception that passes', verdicts: ['passed', 'passed'], wrong: 'passes, and is an exception' },
  { name: 'an exception that is no case', verdicts: ['passed'], wrong: 'h2spec has no such case' },
])('judge() tells $name', ({ verdicts, wrong }) => {
  const judged = judge('plain', outcomes(...verdicts), exceptions)
  expect(judged.wrong).toHaveLength(1)
  expect(judged.wrong[0]).toContain(wrong)
})

test('h2specPage() has the numbers of what passes in each way, and every reason', () => {
  const page = h2specPage(
    {
      plain: outcomes('passed', 'failed', 'passed', 'passed'),
      connect: outcomes('broken', 'failed', 'failed', 'failed'),
    },
    exceptions,
  )
  expect(page).toContain('Of 4 cases 3 pass as they are, 0 by CONNECT, and 3 in at least one')
  expect(page).toContain('| http2/5 | 4 | 1, 3–4 | – |')
  expect(page).toContain('| http2/5/3 | by CONNECT | has no path |')
})
