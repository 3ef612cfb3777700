import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from './wait-for.ts'

/** The last line of a program that holds a lab: from here on it only holds. */
export const LOOK_AROUND = 'Look around with: npm run lab -- ps | exec POD CMD | logs APP | apply FILE | down'

const UP_DEADLINE_MS = 180_000

/**
 * Runs a script of ours as a process that outlives this one, and shows what it says until it has said `LOOK_AROUND`.
 *
 * @param argv The script and its arguments.
 * @returns 0 once it holds a lab, otherwise the status it ended with.
 * @throws {LabError} `TIMEOUT`
 */
export async function runInBackground(argv: readonly string[]): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), 'ambient-lab-start-'))
  const log = join(scratch, 'log')
  const output = openSync(log, 'a')
  try {
    const child = spawn(process.execPath, [...process.execArgv, ...argv], {
      detached: true,
      stdio: ['ignore', output, output],
    })
    const stop = (signal: NodeJS.Signals): void => void child.kill(signal)
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    for (const signal of signals) process.on(signal, stop)
    let shown = 0
    const show = (): string => {
      const text = readFileSync(log, 'utf8')
      process.stdout.write(text.slice(shown))
      shown = text.length
      return text
    }
    const ended = await waitFor(
      'the lab to come up',
      () => {
        const status = child.exitCode ?? (child.signalCode === null ? undefined : 1)
        if (show().endsWith(`${LOOK_AROUND}\n`)) return { status: 0 }
        return status === undefined ? undefined : { status }
      },
      UP_DEADLINE_MS,
    )
    for (const signal of signals) process.off(signal, stop)
    show()
    child.unref()
    return ended.status
  } finally {
    closeSync(output)
    rmSync(scratch, { recursive: true, force: true })
  }
}
