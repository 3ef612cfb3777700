/** How the demo speaks: colours and a progress line on a terminal, plain lines in a pipe. */
import { waitFor } from '@ambient/lab'

const isTerminal = process.stdout.isTTY
const CLEAR_LINE = '\r\u001b[K'

/** One row of the closing table. */
export interface Finding {
  readonly tried: string
  readonly seen: string
}

const findings: Finding[] = []

function paint(code: number, text: string): string {
  return isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text
}

function write(line: string): void {
  process.stdout.write(`${isTerminal ? CLEAR_LINE : ''}${line}\n`)
}

export function heading(text: string): void {
  write('')
  write(paint(1, text))
}

export function seen(text: string): void {
  write(`  ${paint(32, '✓')} ${text}`)
}

export function detail(text: string): void {
  write(`    ${paint(2, text)}`)
}

export function broken(text: string): void {
  write(`  ${paint(31, '✗')} ${text}`)
}

/** What happens now, until the next line is written; nothing in a pipe. */
export function progress(text: string): void {
  if (isTerminal) process.stdout.write(`${CLEAR_LINE}  ${paint(2, `… ${text}`)}`)
}

/** Waits with a progress line that names what for. @throws {LabError} `TIMEOUT`, naming it too */
export function awaiting<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs: number,
): Promise<T> {
  progress(what)
  return waitFor(what, probe, deadlineMs)
}

/** A claim of the demo: said when it holds, and the end of the demo when it does not. */
export function claim(holds: boolean, text: string, otherwise: string): void {
  if (!holds) throw new Error(`${text}: ${otherwise}`)
  seen(text)
}

/** Keeps a row for the closing table. */
export function found(tried: string, text: string): void {
  findings.push({ tried, seen: text })
}

/** Everything that was found, and how often the demo looked for it in vain: never, or it would have ended there. */
export function showFindings(): void {
  showTable(
    ['tried', 'seen'],
    findings.map((finding) => [finding.tried, finding.seen]),
  )
}

/** Columns as wide as their widest cell. */
export function showTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  for (const row of [head, ...rows])
    detail(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}
