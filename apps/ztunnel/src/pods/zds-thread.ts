/** The thread that speaks over packets with descriptors, which Node's streams cannot carry: it runs an epoll loop of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import { EventLoop, Mailbox } from '@ambient/event-loop'
import { ZdsClient } from '@ambient/zds'
import { HandoverEnds } from '../handover/handover-ends.ts'
import { type AgentRequest, isZdsStart, type ZdsCommand, type ZdsThreadReport } from './zds-messages.ts'

const start: unknown = workerData
const port = parentPort
if (port === null || !isZdsStart(start))
  throw new Error('Cannot run the ZDS thread by itself: start the proxy')
const { socketPath, handoverPath, wakeFd, commands } = start
const post = (report: ZdsThreadReport): void => port.postMessage(report)

const loop = new EventLoop()
const waiting = new Map<number, (error?: string) => void>()
let numbers = 0
let violation: string | undefined
let isHandedOver = false
let client: ZdsClient | undefined

let handover: HandoverEnds | undefined

const mailbox = new Mailbox<ZdsCommand>(loop, commands, wakeFd, (command) => {
  switch (command.kind) {
    case 'join':
      return join()
    case 'answer':
      waiting.get(command.number)?.(command.error)
      waiting.delete(command.number)
      return
    case 'leave':
      leaveAgent()
      return handover?.handle(command)
    default:
      return handover?.handle(command)
  }
})
loop.run()
leaveAgent()
handover?.close()
mailbox.close()
// Ends the thread with an error, which ends the process: the agent and we no longer mean the same.
if (violation !== undefined) throw new Error(`ZDS protocol error: ${violation}`)

/** What a predecessor has is asked of it before the agent names the first pod. */
function join(): void {
  handover = new HandoverEnds({
    loop,
    path: handoverPath,
    post,
    onHandedOver: (isSo) => {
      isHandedOver = isSo
      if (!isSo) client ??= connectToAgent()
    },
  })
  client = connectToAgent()
}

function connectToAgent(): ZdsClient {
  return new ZdsClient(loop, {
    path: socketPath,
    onConnected: () => post({ kind: 'connected' }),
    onDisconnected: (reason) => {
      waiting.clear()
      post({ kind: 'disconnected', reason })
      // The agent tells the newest connection of new pods: that must not be ours again.
      if (isHandedOver) leaveAgent()
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
}

function leaveAgent(): void {
  client?.close()
  client = undefined
}
