import { expect, test } from 'vitest'
import { Connection } from './connection.ts'
import type { WorkerReport } from './messages.ts'
import { TrafficReport } from './traffic-report.ts'

function open() {
  const posted: WorkerReport[] = []
  const report = new TrafficReport({
    post: (message) => void posted.push(message),
    defer: () => {},
    after: () => undefined,
  })
  return { posted, report }
}

function connect(report: TrafficReport) {
  const made: string[] = []
  const connection = new Connection(
    {
      direction: 'outbound',
      protocol: 'HBONE',
      src: { addr: '10.0.0.1:1' },
      dst: { addr: '10.0.0.2:15008' },
      originalDst: '10.0.0.2:80',
      admittedBy: undefined,
      labels: (flag) => {
        made.push(flag)
        return ['source', flag]
      },
    },
    { report, loop: { nowMs: 0 }, onEnd: () => {} },
  )
  return { connection, made }
}

test('flushTraffic() posts sockets that were opened and closed since the last time, and nothing for nothing', () => {
  const { posted, report } = open()
  report.socketChanged('source', 1)
  report.socketChanged('destination', 1)
  report.socketChanged('destination', -1)
  report.flushTraffic()
  report.flushTraffic()
  expect(posted).toEqual([{ kind: 'traffic', samples: [], socketsOpened: [1, 0] }])
})

test('flushTraffic() counts a live connection once opened, its bytes as they come, and its end', () => {
  const { posted, report } = open()
  const { connection, made } = connect(report)
  let up = 10
  connection.carriedBy(
    () => ({ up, down: 1 }),
    () => {},
  )
  report.flushTraffic()
  up = 25
  report.flushTraffic()
  connection.end({ kind: 'completed' })
  report.flushTraffic()
  const samples = posted.flatMap((message) => (message.kind === 'traffic' ? message.samples : []))
  const none = { opened: 0, closed: 0, failed: 0, sentBytes: 0, receivedBytes: 0, labels: ['source', '-'] }
  expect(samples).toEqual([
    { ...none, opened: 1, sentBytes: 1, receivedBytes: 10 },
    { ...none, receivedBytes: 15 },
    { ...none, closed: 1 },
  ])
  expect(made).toEqual(['-'])
})

test('cut() ends a connection that nothing carries yet', () => {
  const { connection } = connect(open().report)
  connection.cut({ reason: 'DRAINED', detail: 'the pod left the mesh' })
  expect(connection.isEnded).toBe(true)
})
