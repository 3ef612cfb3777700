import { systemClock } from '@ambient/lifecycle'
import { LabError } from './lab-error.ts'

const STEP_MS = 10

/**
 * Looks again and again until there is an answer.
 *
 * @param what Names the thing waited for, as "Waited 500 ms for …" goes on.
 * @param probe undefined or false means not yet; so does an error, whose message the final one tells.
 * @throws {LabError} `TIMEOUT`
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs: number,
): Promise<T> {
  const untilMs = systemClock.monotonicMs() + deadlineMs
  for (;;) {
    const seen = await attempt(probe)
    if (seen.kind === 'answer') return seen.value
    if (systemClock.monotonicMs() >= untilMs) {
      const last = seen.cause instanceof Error ? `; last seen: ${seen.cause.message}` : ''
      throw new LabError('TIMEOUT', `Waited ${deadlineMs} ms for ${what}${last}`, { cause: seen.cause })
    }
    await systemClock.sleep(STEP_MS)
  }
}

type Attempt<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'not-yet'; readonly cause?: unknown }

async function attempt<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<Attempt<T>> {
  try {
    const value = await probe()
    return value === undefined || value === false ? { kind: 'not-yet' } : { kind: 'answer', value }
  } catch (cause) {
    return { kind: 'not-yet', cause }
  }
}
