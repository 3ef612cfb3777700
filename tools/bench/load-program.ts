import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorText } from '@ambient/lifecycle'
import { type LabPod, waitFor } from '@ambient/lab'

/** What the program counted; each of its modes has its own names. */
export type LoadCounts = ReadonlyMap<string, number>

export interface LoadRequest {
  readonly mode: 'connections' | 'bytes' | 'round-trips' | 'dns'
  /** Connections or streams at once. */
  readonly many: number
  readonly seconds: number
  /** Requests in a second, of round trips. */
  readonly rate?: number
}

export interface Target {
  readonly ip: string
  readonly port: number
}

const SOURCES = join(import.meta.dirname, 'load')

/** Compiles the load program into `folder`. @returns its path. @throws {Error} with what the compiler said */
export async function compileLoad(folder: string): Promise<string> {
  const program = join(folder, 'load')
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'))
  const flags = ['-std=c17', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program]
  try {
    await promisify(execFile)('gcc', [...flags, ...sources.map((name) => join(SOURCES, name))])
  } catch (cause) {
    const said = errorText(cause)
    throw new Error(`Cannot compile the load program with gcc: ${said}`, { cause })
  }
  return program
}

/** The program's arguments for a request. Pure. */
export function loadArguments({ ip, port }: Target, request: LoadRequest): readonly string[] {
  const { mode, many, seconds, rate } = request
  const words = [mode, ip, port, many, seconds, ...(rate === undefined ? [] : [rate])]
  return words.map(String)
}

/**
 * Puts load on `target` from inside a pod.
 *
 * @param onCounting Called once the warm-up is over; never for round trips, which count by themselves.
 * @throws {Error} when a single answer was wrong or missing
 */
export async function runLoad(
  pod: LabPod,
  argv: readonly string[],
  deadlineMs: number,
  onCounting: () => void = () => {},
): Promise<LoadCounts> {
  await using running = await pod.withHostFiles().start(argv)
  let isCounting = false
  await waitFor(
    `the load from ${pod.name} to end`,
    () => {
      if (!isCounting && running.logs().includes('counting\n')) {
        isCounting = true
        onCounting()
      }
      return !running.isRunning
    },
    deadlineMs,
  )
  const said = running.logs()
  if (running.status !== 0)
    throw new Error(`Load from ${pod.name} ended with ${running.status}: ${said.trim()}`)
  return readCounts(said)
}

export interface HeldConnections extends AsyncDisposable {
  /** Closes them. @throws {Error} when one of them no longer works */
  end(): Promise<void>
}

/** Opens connections that do nothing from inside a pod. @returns once all are open and have been seen to work */
export async function holdConnections(
  pod: LabPod,
  argv: readonly string[],
  deadlineMs: number,
): Promise<HeldConnections> {
  const running = await pod.withHostFiles().start(argv)
  const isOpen = (): boolean => running.logs().includes('open\n') || !running.isRunning
  await waitFor(`the connections of ${pod.name} to be open`, isOpen, deadlineMs)
  return {
    end: async () => {
      running.end()
      await waitFor(`the connections of ${pod.name} to be closed`, () => !running.isRunning, deadlineMs)
      if (running.status !== 0) throw new Error(`Load from ${pod.name} ended: ${running.logs().trim()}`)
      readCounts(running.logs())
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  }
}

/** The counts of a run in which everything went right: its last line. Pure. @throws {Error} saying what did not */
export function readCounts(said: string): LoadCounts {
  const line = said.trim().split('\n').at(-1) ?? ''
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null) throw new Error(`The load program said "${line}"`)
  const fields: readonly (readonly [name: string, field: unknown])[] = Object.entries(value)
  const counts = new Map(
    fields.flatMap(([name, field]) => (typeof field === 'number' ? [[name, field] as const] : [])),
  )
  const [wrong, failed, all] = [countOf(counts, 'wrong'), countOf(counts, 'failed'), countOf(counts, 'all')]
  if (wrong + failed > 0 || all === 0) {
    throw new Error(`${wrong} answers were wrong and ${failed} missing, of ${all}: ${line}`)
  }
  return counts
}

/** @throws {Error} when the program did not count that */
export function countOf(counts: LoadCounts, name: string): number {
  const count = counts.get(name)
  if (count === undefined) throw new Error(`The load program did not tell "${name}"`)
  return count
}
