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
  expect(posted).toEqual([{ kind: 'traffic', samples: [], counts: [], socketsOpened: [1, 0] }])
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

test('count() adds up events of one counter and label set until they are posted', () => {
  const { report, posted } = open()
  report.count('ambient_upstream_retries_total', ['CONNECT_FAILED'])
  report.count('ambient_upstream_retries_total', ['CONNECT_FAILED'])
  report.count('ambient_upstream_retries_total', ['HBONE_REFUSED'])
  report.flushTraffic()
  report.flushTraffic()
  expect(posted).toMatchObject([
    {
      counts: [
        { labels: ['CONNECT_FAILED'], amount: 2 },
        { labels: ['HBONE_REFUSED'], amount: 1 },
      ],
    },
  ])
})

test('Connection.reroute() closes what was opened for the first upstream as failed, and opens for the second', () => {
  const { posted, report } = open()
  const { connection, made } = connect(report)
  const failure = { reason: 'CONNECT_FAILED', detail: 'refused' } as const
  connection.reroute(
    {
      direction: 'outbound',
      protocol: 'HBONE',
      src: { addr: '10.0.0.1:1' },
      dst: { addr: '10.0.0.3:15008' },
      originalDst: '10.0.0.2:80',
      admittedBy: undefined,
      labels: (flag) => ['other', flag],
    },
    failure,
  )
  connection.end({ kind: 'completed' })
  report.flushTraffic()
  report.flushLines()
  expect(made).toEqual(['-', 'CONNECT'])
  expect(posted[0]).toMatchObject({
    samples: [
      { labels: ['source', '-'], opened: 1, closed: 0, failed: 0 },
      { labels: ['source', 'CONNECT'], opened: 0, closed: 1, failed: 1 },
      { labels: ['other', '-'], opened: 1, closed: 1, failed: 0 },
    ],
  })
  expect(posted[1]).toMatchObject({
    lines: [
      { message: 'connection opened', fields: { 'dst.addr': '10.0.0.2:15008' } },
      { message: 'connection rerouted', fields: { 'dst.addr': '10.0.0.2:15008', reason: 'CONNECT_FAILED' } },
      { message: 'connection opened', fields: { 'dst.addr': '10.0.0.3:15008' } },
      { message: 'connection complete', fields: { 'dst.addr': '10.0.0.3:15008' } },
    ],
  })
})

test('Connection.opened() counts what opens later under what is known of it then, and so does its end', () => {
  const { posted, report } = open()
  const facts = {
    direction: 'outbound',
    protocol: 'DOUBLEHBONE',
    src: { addr: '10.0.0.1:1' },
    dst: { addr: '9.9.9.9:15008' },
    originalDst: '10.0.0.2:80',
    admittedBy: undefined,
    opensLater: true,
  } as const
  const deps = { report, loop: { nowMs: 0 }, onEnd: () => {} }
  const answered = new Connection({ ...facts, labels: (flag) => ['gateway', flag] }, deps)
  answered.opened({ ...facts, labels: (flag) => ['beyond', flag] })
  answered.end({ kind: 'completed' })
  const never = new Connection({ ...facts, labels: (flag) => ['gateway', flag] }, deps)
  never.end({ kind: 'failed', reason: 'CONNECT_FAILED', detail: 'refused' })
  report.flushTraffic()
  expect(posted[0]).toMatchObject({
    samples: [
      { labels: ['beyond', '-'], opened: 1, closed: 1, failed: 0 },
      { labels: ['gateway', '-'], opened: 1, closed: 0, failed: 0 },
      { labels: ['gateway', 'CONNECT'], opened: 0, closed: 1, failed: 1 },
    ],
  })
})
