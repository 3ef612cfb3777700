import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  /** `Z` is a process that has ended and whose parent has not looked yet. */
  readonly state: string
  /** User and system time of all its threads. */
  readonly cpuMs: number
  /** The same of its children that have ended and been waited for, and of theirs. */
  readonly reapedCpuMs: number
  /** Clock ticks from boot to its start: with the pid, names one process for ever. */
  readonly startTicks: string
  readonly rssBytes: number
}

/** Both fixed on every Linux machine Node runs on with 4 KiB pages; USER_HZ is 100 in every ABI. */
const TICK_MS = 10
const PAGE_BYTES = 4096

/** Facts of one process, or undefined when there is none. */
export function processFacts(pid: number): ProcessFacts | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined // gone, between any look at the table and this one
  }
}

/** @see proc_pid_stat(5); the second field may hold spaces and brackets. */
export function parseProcessStat(text: string): ProcessFacts {
  const rest = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const numberAt = (field: number): number => Number(rest[field - 3] ?? 0)
  return {
    pid: Number.parseInt(text, 10),
    state: rest[0] ?? '?',
    parent: numberAt(4),
    cpuMs: (numberAt(14) + numberAt(15)) * TICK_MS,
    reapedCpuMs: (numberAt(16) + numberAt(17)) * TICK_MS,
    startTicks: rest[22 - 3] ?? '',
    rssBytes: numberAt(24) * PAGE_BYTES,
  }
}

/** Every process of the machine that we can see. */
export function allProcesses(): readonly ProcessFacts[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processFacts(Number(name)))
    .filter((facts) => facts !== undefined)
}

export function childrenOf(pid: number): readonly ProcessFacts[] {
  return allProcesses().filter((facts) => facts.parent === pid)
}

/** The end of a chain of only children: past `nsenter` and `unshare`, the program they were asked to run. */
export function innermostProcess(pid: number): number {
  const [child] = childrenOf(pid)
  return child === undefined ? pid : innermostProcess(child.pid)
}

/** Whether that very process still runs; a zombie does not. */
export function isRunning(process: { readonly pid: number; readonly startTicks: string }): boolean {
  const facts = processFacts(process.pid)
  return facts !== undefined && facts.startTicks === process.startTicks && facts.state !== 'Z'
}
