/** A byte thread: it owns an epoll loop for life and never returns to Node's own. */
import { parentPort, workerData } from 'node:worker_threads'
import { EventLoop, Mailbox } from '@ambient/event-loop'
import { systemRandom } from '@ambient/lifecycle'
import { DataPlane } from './worker/data-plane.ts'
import { isWorkerStart, type WorkerCommand, type WorkerReport } from './worker/messages.ts'

const start: unknown = workerData
const port = parentPort
if (port === null || !isWorkerStart(start))
  throw new Error('Cannot run the byte thread by itself: start the proxy')
const { settings, commands } = start
const post = (report: WorkerReport): void => port.postMessage(report)

const loop = new EventLoop({
  onFault: (_owner, cause) => {
    const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    post({
      kind: 'log',
      dropped: 0,
      lines: [
        {
          level: 'error',
          scope: 'worker',
          message: 'exception contained',
          fields: { error, reason: 'WORKER_FAULT' },
        },
      ],
    })
  },
})
const plane = new DataPlane({ loop, settings, random: systemRandom, post })
const mailbox = new Mailbox<WorkerCommand>(loop, commands, settings.wakeFd, (command) =>
  plane.handle(command),
)
loop.run()
mailbox.close()
