/**
 * New connections at a steady rate until the end of standard input: one request each, whose answer must hold the marker.
 * Says what has become of them ten times a second. Arguments: host, port, a second, marker.
 */
import { connect } from 'node:net'
import { errorText, systemClock } from '@ambient/lifecycle'

const [host = '', port = '', rate = '', marker = ''] = process.argv.slice(2)
/** When this many are open, the rate is more than the machine gives. */
const MAX_OPEN = 200
const TICK_MS = 5
const REPORT_MS = 100
const counts = { opened: 0, answered: 0, failed: 0 }
let isEnding = false
let lastFailure = ''

const startMs = systemClock.monotonicMs()
let dueFrom = startMs
const ticking = setInterval(() => {
  const nowMs = systemClock.monotonicMs()
  const due = Math.floor(((nowMs - dueFrom) * Number(rate)) / 1000)
  const free = MAX_OPEN - (counts.opened - counts.answered - counts.failed)
  for (let i = 0; i < Math.min(due, free); i++) void open()
  if (due > 0) dueFrom = nowMs // what there was no room for is not made up for
}, TICK_MS)
const reporting = setInterval(report, REPORT_MS)

process.stdin.resume()
process.stdin.once('end', () => {
  isEnding = true
  clearInterval(ticking)
  endIfOver()
})

async function open(): Promise<void> {
  counts.opened++
  try {
    const answer = await ask()
    if (!answer.includes(marker)) throw new Error(`answered with "${answer.slice(0, 200)}"`)
    counts.answered++
  } catch (cause) {
    counts.failed++
    lastFailure = errorText(cause)
  }
  endIfOver()
}

function ask(): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), host, () => {
      socket.write(`GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`)
    })
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => (answer += text))
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed without an end')))
  })
}

function report(): void {
  const seconds = (systemClock.monotonicMs() - startMs) / 1000
  process.stdout.write(`${JSON.stringify({ ...counts, seconds, isOver: isOver(), lastFailure })}\n`)
}

function isOver(): boolean {
  return isEnding && counts.opened === counts.answered + counts.failed
}

function endIfOver(): void {
  if (!isOver()) return
  clearInterval(reporting)
  report()
}
