import { setTimeout as sleep } from 'node:timers/promises'

export interface WaitOptions {
  /** Default 20,000: long enough for a machine that does much else; it costs nothing where it is not needed. */
  readonly deadlineMs?: number
  /** Default 5. */
  readonly everyMs?: number
}

const DEFAULT_DEADLINE_MS = 20_000
const DEFAULT_EVERY_MS = 5

/**
 * Asks `probe` again and again until it answers with something other than `undefined` and `false`.
 *
 * @param what Completes "Waited … ms for"; what a reader of the failure needs to know.
 * @returns The first such answer.
 * @throws {Error} at the deadline, with what the last probe threw as its cause.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
  const endsAtMs = performance.now() + deadlineMs
  let lastCause: unknown
  for (;;) {
    try {
      const answer = await probe()
      if (answer !== undefined && answer !== false) return answer
      lastCause = undefined
    } catch (cause) {
      lastCause = cause
    }
    if (performance.now() >= endsAtMs) {
      const detail = lastCause instanceof Error ? `: ${lastCause.message}` : ''
      throw new Error(`Waited ${deadlineMs} ms for ${what}${detail}`, { cause: lastCause })
    }
    await sleep(options.everyMs ?? DEFAULT_EVERY_MS)
  }
}
