/** The debug mode of the memory that C sees: what it is, and how a misuse ends. Nothing of it is there when it is off. */
import { writeSync } from 'node:fs'

/**
 * Whether every pointer, arena, OpenSSL object and descriptor is checked. Decided once, when a thread loads this module;
 * a setting handed down by `main` would come after the first arena.
 */
export const isMemoryDebugged: boolean = isOn()

export type MemoryMisuse =
  | 'out of range'
  | 'use after free'
  | 'double free'
  | 'write after free'
  | 'guard bytes overwritten'
  | 'overwritten in use'
  | 'not a live object'
  | 'freed in use'
  | 'descriptor is not open'
  | 'closed in an event loop'

/** Where something ended, for the report of what comes after. Its text is made when it is asked for. */
export function stackHere(): Error {
  return new Error('here')
}

/**
 * Says on stderr what was misused, and ends the process at once: nobody may contain it, no test may pass over it.
 *
 * @param endedAt Where it was freed or closed, if that is the point.
 */
export function endForMisuse(misuse: MemoryMisuse, what: string, endedAt?: Error): never {
  const before = endedAt === undefined ? '' : `\n  it ended here:\n${linesOf(endedAt)}`
  writeSync(2, `memory misuse: ${misuse}: ${what}\n${linesOf(stackHere())}${before}\n`)
  process.kill(process.pid, 'SIGKILL')
  throw new Error(`memory misuse: ${misuse}: ${what}`)
}

/** Without this file's own. */
function linesOf({ stack = '' }: Error): string {
  return stack.split('\n').slice(2).join('\n')
}

function isOn(): boolean {
  // oxlint-disable-next-line node/no-process-env -- see above
  const value = process.env['AMBIENT_DEBUG_MEMORY']
  return value === '1' || value === 'true'
}
