import { setImmediate } from 'node:timers/promises'

/** The part of an event loop that a test turns by hand. */
export interface Turning {
  turn(maxWaitMs: number): void
}

/**
 * Turns an event loop and Node's own loop by turns on one thread until `probe` answers with something other than
 * `undefined` and `false`, so that a test can have foreign peers made of Node sockets.
 *
 * @throws {Error} at the deadline (default 5,000 ms), saying what it waited for.
 */
export async function turnUntil<T>(
  loop: Turning | readonly Turning[],
  what: string,
  probe: () => T | undefined | false,
  options: { readonly deadlineMs?: number } = {},
): Promise<T> {
  const loops = 'turn' in loop ? [loop] : loop
  const deadlineMs = options.deadlineMs ?? 5000
  const endsAtMs = performance.now() + deadlineMs
  for (;;) {
    for (const each of loops) each.turn(0)
    const answer = probe()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() >= endsAtMs) throw new Error(`Waited ${deadlineMs} ms for ${what}`)
    await setImmediate()
    loops[0]?.turn(1)
  }
}
