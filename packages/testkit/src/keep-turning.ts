/** The part of an event loop that tells whether a turn did anything. */
export interface CountedTurning {
  readonly counters: { readonly emptyTurns: number }
  turn(maxWaitMs: number): void
}

/** Turns an event loop between the turns of Node's own, so that a test can await foreign peers made of Node sockets. */
export function keepTurning(loop: CountedTurning): Disposable {
  let isStopped = false
  const tick = (): void => {
    if (isStopped) return
    const { counters } = loop
    const emptyBefore = counters.emptyTurns
    loop.turn(0)
    // Nothing to do here: leave the processor alone for a moment, unless Node has something.
    if (counters.emptyTurns > emptyBefore) loop.turn(1)
    setImmediate(tick)
  }
  tick()
  return { [Symbol.dispose]: () => void (isStopped = true) }
}
