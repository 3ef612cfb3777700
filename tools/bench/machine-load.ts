import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { allProcesses } from '@ambient/lab'
import type { ProcessFacts } from '@ambient/lab'
import { systemClock } from '@ambient/lifecycle'

/** What the machine and we have computed since boot; two of them tell what others took in between. */
export interface CpuMark {
  readonly atMs: number
  /** By anybody, time another machine took from this one included. */
  readonly busyMs: number
  /** By this process and all that it started. */
  readonly ownMs: number
  /** By threads of the kernel: packets are theirs to move, so they are nobody's. */
  readonly kernelMs: number
}

const TICK_MS = 10
const KTHREADD = 2
const QUIET_LOOK_MS = 1_000
const QUIET_DEADLINE_MS = 600_000

export function readCpuMark(): CpuMark {
  const processes = allProcesses()
  return {
    atMs: performance.now(),
    busyMs: parseBusyMs(readFileSync('/proc/stat', 'utf8')),
    ownMs: treeUse(processes, [process.pid]).cpuMs,
    kernelMs: treeUse(processes, [KTHREADD]).cpuMs,
  }
}

/** One-minute load average. */
export function loadAverage(): number {
  return loadavg()[0] ?? Number.NaN
}

/** Waits until others keep fewer than `cores` busy, on average over a second. @returns whether it came to that in ten minutes */
export async function untilQuiet(cores: number): Promise<boolean> {
  const untilMs = systemClock.monotonicMs() + QUIET_DEADLINE_MS
  while (systemClock.monotonicMs() < untilMs) {
    const from = readCpuMark()
    await systemClock.sleep(QUIET_LOOK_MS)
    if (foreignCores(from, readCpuMark()) < cores) return true
  }
  return false
}

/** How many cores others kept busy from `from` to `to`, on average. Pure. */
export function foreignCores(from: CpuMark, to: CpuMark): number {
  const ours = to.ownMs - from.ownMs + (to.kernelMs - from.kernelMs)
  const elapsedMs = to.atMs - from.atMs
  return elapsedMs <= 0 ? 0 : Math.max(0, (to.busyMs - from.busyMs - ours) / elapsedMs)
}

/** @see proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal. Pure. */
export function parseBusyMs(stat: string): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    stat.split('\n').find((line) => line.startsWith('cpu ')) ?? ''
  )
    .split(/ +/)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_MS
}

export interface TreeUse {
  /** Of those that have ended too. */
  readonly cpuMs: number
  readonly rssBytes: number
}

/** What some processes and everything below them use. Pure. */
export function treeUse(processes: readonly ProcessFacts[], roots: readonly number[]): TreeUse {
  const children = Map.groupBy(processes, ({ parent }) => parent)
  const withAllBelow = (facts: ProcessFacts): readonly ProcessFacts[] => [
    facts,
    ...(children.get(facts.pid) ?? []).flatMap(withAllBelow),
  ]
  const tree = processes.filter(({ pid }) => roots.includes(pid)).flatMap(withAllBelow)
  return {
    cpuMs: tree.reduce((sum, { cpuMs, reapedCpuMs }) => sum + cpuMs + reapedCpuMs, 0),
    rssBytes: tree.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  }
}
