import { execFile } from 'node:child_process'
import { mkdtempDisposableSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { LabPod } from '@ambient/lab'

/** What the program counted; each of its modes has its own names. */
export type LoadCounts = ReadonlyMap<string, number>

const SOURCES = join(import.meta.dirname, 'load')
/** Beyond the time that is measured: namespaces to enter, warm-up, a machine with other work. */
const SPARE_MS = 30_000

/** Where it lies in a pod: the checkout may be below /tmp, which pods have their own of. */
export const LOAD_IN_POD = '/run/load'

/** Compiles the load program. @returns its bytes. @throws {Error} with what the compiler said */
export async function compileLoad(): Promise<Buffer> {
  using directory = mkdtempDisposableSync(join(tmpdir(), 'ambient-bench-'))
  const program = join(directory.path, 'load')
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'))
  const flags = ['-std=c17', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program]
  try {
    await promisify(execFile)('gcc', [...flags, ...sources.map((name) => join(SOURCES, name))])
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`Cannot compile the load program with gcc: ${said}`, { cause })
  }
  return readFileSync(program)
}

/** Puts the program into a pod. */
export async function installLoad(pod: LabPod, program: Buffer): Promise<void> {
  const { code, stderr } = await pod.exec(`base64 -d >${LOAD_IN_POD} && chmod +x ${LOAD_IN_POD}`, {
    input: program.toString('base64'),
  })
  if (code !== 0) throw new Error(`Cannot install the load program in ${pod.name}: ${stderr}`)
}

export interface LoadRequest {
  readonly mode: 'connections' | 'bytes'
  readonly ip: string
  readonly port: number
  /** Connections or streams at once. */
  readonly many: number
  readonly seconds: number
}

/** Puts load on `ip` from inside a pod. @throws {Error} when a single answer was wrong or missing */
export async function runLoad(pod: LabPod, request: LoadRequest): Promise<LoadCounts> {
  const { mode, ip, port, many, seconds } = request
  const argv = [LOAD_IN_POD, mode, ip, String(port), String(many), String(seconds)]
  const { code, stdout, stderr } = await pod.exec(argv, { deadlineMs: seconds * 1000 + SPARE_MS })
  if (code !== 0) throw new Error(`Load from ${pod.name} ended with ${code}: ${stderr.trim()}`)
  return readCounts(stdout)
}

/** The counts of a run in which everything went right. Pure. @throws {Error} saying what did not */
export function readCounts(line: string): LoadCounts {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null) throw new Error(`The load program said "${line.trim()}"`)
  const fields: readonly (readonly [name: string, field: unknown])[] = Object.entries(value)
  const counts = new Map(
    fields.flatMap(([name, field]) => (typeof field === 'number' ? [[name, field] as const] : [])),
  )
  const [wrong, failed, all] = [countOf(counts, 'wrong'), countOf(counts, 'failed'), countOf(counts, 'all')]
  if (wrong + failed > 0 || all === 0) {
    throw new Error(`${wrong} answers were wrong and ${failed} missing, of ${all}: ${line.trim()}`)
  }
  return counts
}

/** @throws {Error} when the program did not count that */
export function countOf(counts: LoadCounts, name: string): number {
  const count = counts.get(name)
  if (count === undefined) throw new Error(`The load program did not tell "${name}"`)
  return count
}
