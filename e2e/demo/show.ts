/** How the demo speaks: colours on a terminal, plain lines in a pipe. */
const isTerminal = process.stdout.isTTY

function paint(code: number, text: string): string {
  return isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text
}

export function heading(text: string): void {
  process.stdout.write(`\n${paint(1, text)}\n`)
}

export function seen(text: string): void {
  process.stdout.write(`  ${paint(32, '✓')} ${text}\n`)
}

export function detail(text: string): void {
  process.stdout.write(`    ${paint(2, text)}\n`)
}

export function broken(text: string): void {
  process.stdout.write(`  ${paint(31, '✗')} ${text}\n`)
}

/** A claim of the demo: said when it holds, and the end of the demo when it does not. */
export function claim(holds: boolean, text: string, otherwise: string): void {
  if (!holds) throw new Error(`${text}: ${otherwise}`)
  seen(text)
}
