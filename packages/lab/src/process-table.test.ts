import { expect, test } from 'vitest'
import { isRunning, parseProcessStat, processFacts } from './process-table.ts'

test('parseProcessStat() is not misled by a name with brackets and spaces', () => {
  const fields = Array.from({ length: 50 }, (_, n) => `${n + 3}`)
  const facts = parseProcessStat(`77 (a) b (c) S ${fields.slice(1).join(' ')}\n`)
  expect(facts).toEqual({
    pid: 77,
    state: 'S',
    parent: 4,
    cpuMs: 290,
    reapedCpuMs: 330,
    startTicks: '22',
    rssBytes: 24 * 4096,
  })
})

test('processFacts() knows this process, and isRunning() tells it from another with its number', () => {
  const facts = processFacts(process.pid)
  expect(facts).toMatchObject({ pid: process.pid, parent: process.ppid })
  expect(isRunning({ pid: process.pid, startTicks: facts?.startTicks ?? '' })).toBe(true)
  expect(isRunning({ pid: process.pid, startTicks: '1' })).toBe(false)
})
