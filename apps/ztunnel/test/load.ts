/** A program: connections at a steady rate, or as many as the machine can do, and now and then a question of DNS. */
import { createSocket } from 'node:dgram'
import net from 'node:net'

const [host = '', port = '', perSecond = '', dnsPort = ''] = process.argv.slice(2)
const EVERY_MS = 10
/** Where the machine is busy with others, we wait, and make up for it afterwards. */
const MOST_OPEN = 400
const PATIENCE_MS = 20_000
/** For the address of a service of the mesh. */
const QUESTION = Buffer.concat([
  Buffer.from('000101000001000000000000', 'hex'),
  ...['api', 'shop', 'svc', 'cluster', 'local'].map((label) =>
    Buffer.from([label.length, ...Buffer.from(label)]),
  ),
  Buffer.from('0000010001', 'hex'),
])

let dialled = 0
let answered = 0
let resolved = 0
const failures: string[] = []
let open = 0
let isOver = false

const startedMs = performance.now()
const timer = setInterval(() => {
  const due = (Number(perSecond) * (performance.now() - startedMs)) / 1000
  while (dialled < due && open < MOST_OPEN) dial(++dialled)
  if (dnsPort !== '' && open < MOST_OPEN) ask()
}, EVERY_MS)
// Its standard input ends when the test has seen enough.
process.stdout.on('error', () => process.exit(1))
process.stdin.resume().on('end', () => {
  clearInterval(timer)
  isOver = true
  report()
})
process.stdout.write('started\n')

function dial(number: number): void {
  open++
  let text = ''
  let failure: string | undefined
  const socket = net.connect({ host, port: Number(port), allowHalfOpen: true }, () => socket.end(`${number}`))
  socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no progress')))
  socket.on('data', (data) => (text += String(data)))
  socket.on('error', (error) => (failure = error.message))
  socket.on('close', () => {
    if (failure === undefined && text !== `${number}`) failure = `answered "${text}"`
    if (failure === undefined) answered++
    else failures.push(`connection ${number}: ${failure}`)
    done()
  })
}

/** A name that the mesh has. */
function ask(): void {
  open++
  const socket = createSocket('udp4')
  const late = setTimeout(() => finish('no answer'), PATIENCE_MS)
  const finish = (failure?: string): void => {
    clearTimeout(late)
    socket.close()
    if (failure === undefined) resolved++
    else failures.push(`question: ${failure}`)
    done()
  }
  socket.on('error', (error) => finish(error.message))
  socket.on('message', (answer) => finish((answer[3] ?? 0) % 16 === 0 ? undefined : 'refused'))
  socket.send(QUESTION, Number(dnsPort), '127.0.0.1')
}

function done(): void {
  open--
  if (isOver) report()
}

function report(): void {
  if (open > 0) return
  const seconds = (performance.now() - startedMs) / 1000
  process.stdout.write(JSON.stringify({ dialled, answered, resolved, failures, seconds }))
  isOver = false
}
