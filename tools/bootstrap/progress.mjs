// How far the set-up is, on standard error: a line that moves on a terminal, plain lines in a pipe.
const TERMINAL_EVERY_MS = 200
const PIPE_EVERY_MS = 10_000

/** @param {string} text */
export function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`)
}

/**
 * Shows `title` with the seconds so far until `work` ends, then what it came to.
 *
 * @template T
 * @param {string} title
 * @param {() => Promise<T>} work
 * @param {(result: T) => string} summary
 * @returns {Promise<T>}
 */
export async function timed(title, work, summary) {
  const startMs = performance.now()
  const isTerminal = process.stderr.isTTY
  const seconds = () => (performance.now() - startMs) / 1000
  const show = () => {
    if (isTerminal) process.stderr.write(`\r\u001b[Kbootstrap: ${title} … ${seconds().toFixed(0)} s`)
    else say(`${title} … ${seconds().toFixed(0)} s`)
  }
  say(title)
  const timer = setInterval(show, isTerminal ? TERMINAL_EVERY_MS : PIPE_EVERY_MS)
  try {
    const result = await work()
    if (isTerminal) process.stderr.write('\r\u001b[K')
    say(`${summary(result)} in ${seconds().toFixed(1)} s`)
    return result
  } finally {
    clearInterval(timer)
    if (isTerminal) process.stderr.write('\r\u001b[K')
  }
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}
