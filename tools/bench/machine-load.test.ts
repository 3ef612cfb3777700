import type { ProcessFacts } from '@ambient/lab'
import { expect, test } from 'vitest'
import { foreignCores, parseBusyMs, readCpuMark, treeUse } from './machine-load.ts'

const facts = (pid: number, parent: number, cpuMs: number, reapedCpuMs = 0): ProcessFacts => ({
  pid,
  parent,
  cpuMs,
  reapedCpuMs,
  state: 'S',
  startTicks: '1',
  rssBytes: 1000,
})

test('treeUse() counts a process, what it started and what has ended, and nobody else', () => {
  const processes = [
    facts(1, 0, 1000),
    facts(7, 1, 20, 5),
    facts(9, 7, 100),
    facts(11, 9, 300),
    facts(8, 1, 70),
  ]
  expect(treeUse(processes, [7])).toEqual({ cpuMs: 425, rssBytes: 3000 })
  expect(treeUse(processes, [9, 8])).toEqual({ cpuMs: 470, rssBytes: 3000 })
  expect(treeUse(processes, [77])).toEqual({ cpuMs: 0, rssBytes: 0 })
})

test('parseBusyMs() leaves out idle, waiting and guest time', () => {
  expect(parseBusyMs('cpu  1 2 4 1000 2000 8 16 32 4000 8000\ncpu0 9 9 9 9 9 9 9 9 9 9\n')).toBe(630)
})

test('foreignCores() is what is busy and neither ours nor the kernel’s', () => {
  const from = { atMs: 0, busyMs: 100, ownMs: 50, kernelMs: 10 }
  expect(foreignCores(from, { atMs: 2000, busyMs: 3100, ownMs: 1550, kernelMs: 510 })).toBe(0.5)
  expect(foreignCores(from, { atMs: 2000, busyMs: 110, ownMs: 80, kernelMs: 10 })).toBe(0)
  expect(foreignCores(from, from)).toBe(0)
})

test('readCpuMark() sees our own work as ours', () => {
  const from = readCpuMark()
  while (readCpuMark().ownMs < from.ownMs + 50); // fifty milliseconds of CPU, however long they take
  const to = readCpuMark()
  expect(to.busyMs - from.busyMs).toBeGreaterThanOrEqual(30) // the two are counted in ticks of ten
  expect(foreignCores(from, to)).toBeLessThan(to.atMs - from.atMs)
})
