/** Steps of a long run, told on standard error with their times. */
const started = performance.now()

export function say(text: string): void {
  process.stderr.write(`e2e: ${text}\n`)
}

export async function step(name: string, act: () => Promise<void> | void): Promise<void> {
  const fromMs = performance.now()
  say(`${name} …`)
  await act()
  const now = performance.now()
  say(`${name}: ${((now - fromMs) / 1000).toFixed(0)} s (${((now - started) / 1000).toFixed(0)} s in all)`)
}
