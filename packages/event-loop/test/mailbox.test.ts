import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import { EventLoop, Mailbox, MailboxSender } from '@ambient/event-loop'
import { eventfd } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'

test('post() reaches a worker that never returns to Node’s loop, in order, also what was sent before it ran', async () => {
  const { port1, port2 } = new MessageChannel()
  const wakeFd = eventfd()
  const sender = new MailboxSender<number | 'stop' | 'fail'>(port1, wakeFd)
  for (let i = 0; i < 1000; i++) sender.post(i)
  const worker = new Worker(new URL('mailbox-worker.ts', import.meta.url), {
    workerData: { port: port2, wakeFd },
    transferList: [port2],
  })
  const answers: unknown[] = []
  worker.on('message', (message) => answers.push(message))
  await waitFor('a thousand answers', () => answers.length === 1000)
  sender.post('fail')
  sender.post(1000)
  await waitFor('the answer after the failure', () => answers.length === 1001)
  expect(answers).toEqual(Array.from({ length: 1001 }, (_, i) => 2 * i))
  sender.post('stop')
  await once(worker, 'exit')
  expect(answers.at(-1)).toMatchObject({ faults: 1 })
  sender[Symbol.dispose]()
})

test('post() after dispose touches no descriptor', () => {
  const before = openDescriptors()
  const { port1, port2 } = new MessageChannel()
  const sender = new MailboxSender<string>(port1, eventfd())
  sender[Symbol.dispose]()
  sender[Symbol.dispose]()
  const reused = eventfd()
  sender.post('late')
  using loop = new EventLoop()
  const got: string[] = []
  const mailbox = new Mailbox<string>(loop, port2, reused, (message) => void got.push(message))
  loop.turn(0)
  expect([got, loop.counters.events]).toEqual([[], 0])
  mailbox.close()
  mailbox.close()
  new MailboxSender(port2, reused)[Symbol.dispose]()
  loop[Symbol.dispose]()
  expect(leakedDescriptors(before)).toEqual([])
})
