/** The thread that speaks ZDS: Node's streams cannot carry packets with descriptors, so it runs an epoll loop of its own. */
import { parentPort, workerData } from 'node:worker_threads'
import { EventLoop, Mailbox } from '@ambient/event-loop'
import { ZdsServer } from '@ambient/zds'
import { isZdsStart, type ZdsOrder, type ZdsReport } from './zds-messages.ts'

const start: unknown = workerData
const port = parentPort
if (port === null || !isZdsStart(start))
  throw new Error('Cannot run the ZDS thread by itself: start the agent')
const { socketPath, wakeFd, orders, held } = start
const post = (report: ZdsReport): void => port.postMessage(report)

const loop = new EventLoop()
const server = new ZdsServer(loop, {
  path: socketPath,
  onConnections: (count, lost) => post({ kind: 'connections', count, lost }),
  onRefused: (uid, error) => post({ kind: 'refused', uid, error }),
})
for (const pod of held) server.hold(pod)
const mailbox = new Mailbox<ZdsOrder>(loop, orders, wakeFd, (order) => {
  switch (order.kind) {
    case 'add':
      return server.add(order, (result) => post({ kind: 'result', number: order.number, result }))
    case 'remove':
      return server.remove(order.uid, (result) => post({ kind: 'result', number: order.number, result }))
    case 'end':
      return loop.stop()
  }
})
post({ kind: 'listening' })
loop.run()
server[Symbol.dispose]()
mailbox.close()
loop[Symbol.dispose]()
