const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Lets a signal end this process only after `down`, and then as that signal would have.
 *
 * @returns what takes the handlers away again
 */
export function downOnSignals(down: () => Promise<void>): () => void {
  const release = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    void down().finally(() => {
      release()
      process.kill(process.pid, signal)
    })
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return release
}
