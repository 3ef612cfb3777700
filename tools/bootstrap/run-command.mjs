import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { BootstrapError } from './bootstrap-error.mjs'
import { say } from './progress.mjs'

const KEPT_OUTPUT_CHARS = 20_000
const SHOWN_LINES = 15
const PAUSE_MS = 2000
const GRACE_MS = 1500
const EXIT_CODES = new Map([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])

/** @type {string | undefined} */
let interruptedBy
/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/**
 * From here on Ctrl-C ends the set-up in order: the running command is told and waited for, then every `finally` on the way
 * out is run, so that nothing half done is left on the machine.
 */
export function watchForInterrupts() {
  for (const signal of EXIT_CODES.keys()) process.on(signal, onSignal)
}

/** Leaves signals to whoever comes after the set-up. */
export function stopWatching() {
  for (const signal of EXIT_CODES.keys()) process.off(signal, onSignal)
}

/** @param {NodeJS.Signals} signal */
function onSignal(signal) {
  interruptedBy = signal
  for (const { pid } of running) {
    if (pid === undefined) continue
    killGroup(pid, signal)
    // npm would first take back, for half a minute, what the next run needs again.
    setTimeout(() => killGroup(pid, 'SIGKILL'), GRACE_MS).unref()
  }
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal)
  } catch {
    // it ended meanwhile
  }
}

/** @throws {BootstrapError} when somebody pressed Ctrl-C meanwhile. */
export function checkInterrupted() {
  if (interruptedBy !== undefined) {
    throw new BootstrapError(
      `interrupted; the same command goes on from here`,
      EXIT_CODES.get(interruptedBy) ?? 1,
    )
  }
}

/**
 * @typedef {object} CommandOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {string} [input]
 * @property {number} [attempts] For what goes over the network.
 * @property {boolean} [uninterrupted] For what must not stop in the middle: Ctrl-C is answered after it.
 * @property {string} [advice] What to do when it failed, as the end of the line.
 */

/**
 * Runs a program to its end and hands back what it printed.
 *
 * @param {readonly string[]} words
 * @param {CommandOptions} [options]
 * @returns {Promise<string>}
 */
export async function runCommand(words, options = {}) {
  const { attempts = 1, advice = 'repair what it says above, then run the same command again' } = options
  for (let attempt = 1; ; attempt++) {
    const { isDone, output, reason } = await runOnce(words, options)
    checkInterrupted()
    if (isDone) return output
    if (attempt >= attempts) {
      process.stderr.write(`${output.trimEnd().split('\n').slice(-SHOWN_LINES).join('\n')}\n`)
      throw new BootstrapError(`"${words.join(' ')}" failed (${reason}): ${advice}`)
    }
    say(`attempt ${attempt} of ${attempts} failed (${reason}), trying again`)
    await sleep(attempt * PAUSE_MS)
    checkInterrupted()
  }
}

/**
 * @param {readonly string[]} words
 * @param {CommandOptions} options
 * @returns {Promise<{isDone: boolean, output: string, reason: string}>}
 */
function runOnce([command = '', ...args], { cwd, env, input, uninterrupted = false }) {
  return new Promise((resolve) => {
    // A session of its own: the terminal's Ctrl-C reaches us and not the program, and we pass on what may be passed on.
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    if (!uninterrupted) running.add(child)
    let output = ''
    /** @param {Buffer} chunk */
    const take = (chunk) => {
      output = (output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS)
    }
    child.stdin.on('error', () => {}) // it ended without reading: its exit code says why
    child.stdin.end(input)
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', (error) => {
      running.delete(child)
      resolve({ isDone: false, output, reason: error.message })
    })
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ isDone: code === 0, output, reason: signal ?? `exit code ${code}` })
    })
  })
}
