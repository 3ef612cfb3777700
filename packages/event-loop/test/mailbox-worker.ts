/** A worker that never returns to Node's loop: doubles what it is sent, fails on request, stops when told. */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { EventLoop, Mailbox } from '@ambient/event-loop'

const { port, wakeFd } = workerData as { port: MessagePort; wakeFd: number }
const main = parentPort
const loop = new EventLoop()
const mailbox = new Mailbox<number | 'stop' | 'fail'>(loop, port, wakeFd, (message) => {
  if (message === 'fail') throw new Error('bug')
  if (message === 'stop') loop.stop()
  else main?.postMessage(2 * message, [])
})
loop.run()
mailbox.close()
loop[Symbol.dispose]()
main?.postMessage(loop.counters, [])
