/** The thread that speaks ZDS: Node's streams cannot carry packets with descriptors, so it runs an epoll loop of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import { EventLoop, Mailbox } from '@ambient/event-loop'
import { ZdsClient } from '@ambient/zds'
import { type AgentRequest, isZdsStart, type ZdsAnswer, type ZdsReport } from './zds-messages.ts'

const start: unknown = workerData
const port = parentPort
if (port === null || !isZdsStart(start))
  throw new Error('Cannot run the ZDS thread by itself: start the proxy')
const { socketPath, wakeFd, answers } = start
const post = (report: ZdsReport): void => port.postMessage(report)

const loop = new EventLoop()
const waiting = new Map<number, (error?: string) => void>()
let numbers = 0
let violation: string | undefined

const client = new ZdsClient(loop, {
  path: socketPath,
  onConnected: () => post({ kind: 'connected' }),
  onDisconnected: (reason) => {
    waiting.clear()
    post({ kind: 'disconnected', reason })
  },
  onRequest: (request: AgentRequest, ack) => {
    const number = ++numbers
    waiting.set(number, ack)
    post({ kind: 'request', number, request })
  },
  onProtocolError: (reason) => {
    violation = reason
    loop.stop()
  },
})
const mailbox = new Mailbox<ZdsAnswer>(loop, answers, wakeFd, ({ number, error }) => {
  waiting.get(number)?.(error)
  waiting.delete(number)
})
loop.run()
client.close()
mailbox.close()
// Ends the thread with an error, which ends the process: the agent and we no longer mean the same.
if (violation !== undefined) throw new Error(`ZDS protocol error: ${violation}`)
