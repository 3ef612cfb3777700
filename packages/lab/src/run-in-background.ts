import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from './wait-for.ts'

/** The last line of a program that holds a lab: from here on it only holds. */
export const LOOK_AROUND = 'Look around with: npm run lab -- ps | exec POD CMD | logs APP | apply FILE | down'

const UP_DEADLINE_MS = 180_000
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs a script of ours as a process that outlives this one, and shows what it says until it has said `LOOK_AROUND`.
 *
 * @param argv The script and its arguments.
 * @returns 0 once it holds a lab, otherwise the status it ended with.
 * @throws {LabError} `TIMEOUT`
 */
export async function runInBackground(argv: readonly string[]): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'ambient-lab-start-'))
  const output = new ShownFile(join(scratch, 'output'), process.stdout)
  const errors = new ShownFile(join(scratch, 'errors'), process.stderr)
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    detached: true,
    stdio: ['ignore', output.fd, errors.fd],
  })
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal)
  for (const signal of SIGNALS) process.on(signal, passOn)
  try {
    const { status } = await waitFor(
      'the lab to come up',
      () => {
        const ended = child.exitCode ?? (child.signalCode === null ? undefined : 1)
        errors.show()
        if (output.show().endsWith(`${LOOK_AROUND}\n`)) return { status: 0 }
        return ended === undefined ? undefined : { status: ended }
      },
      UP_DEADLINE_MS,
    )
    child.unref()
    return status
  } finally {
    for (const signal of SIGNALS) process.off(signal, passOn)
    output.close()
    errors.close()
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A file that another process writes, shown here as it grows. */
class ShownFile {
  readonly fd: number
  readonly #path: string
  readonly #stream: NodeJS.WriteStream
  #shown = 0

  constructor(path: string, stream: NodeJS.WriteStream) {
    this.#path = path
    this.#stream = stream
    this.fd = openSync(path, 'a')
  }

  /** @returns all of it so far */
  show(): string {
    const text = readFileSync(this.#path, 'utf8')
    if (text.length > this.#shown) this.#stream.write(text.slice(this.#shown))
    this.#shown = text.length
    return text
  }

  close(): void {
    closeSync(this.fd)
  }
}
