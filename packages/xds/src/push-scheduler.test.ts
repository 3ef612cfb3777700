import { expect, test } from 'vitest'
import { PushScheduler, type PushSchedulerDeps } from './push-scheduler.ts'

interface Client {
  readonly name: string
  isAwaited: boolean
  due: number
  push(): void
}

function setup(deps: Partial<PushSchedulerDeps<Client>> = {}) {
  const pushed: string[] = []
  let nowMs = 0
  let refused = 0
  const scheduler = new PushScheduler<Client>({
    clock: { monotonicMs: () => nowMs },
    limits: { pushSliceMs: 10, unreadBytes: 100, largeAnswer: 1000 },
    onFault: ({ name }, cause) => pushed.push(`${name} failed: ${String(cause)}`),
    onNoRoom: () => refused++,
    ...deps,
  })
  const client = (name: string, of: Partial<Client> = {}): Client => ({
    name,
    isAwaited: false,
    due: 1,
    push: () => void pushed.push(name),
    ...of,
  })
  return { scheduler, pushed, client, refused: () => refused, pass: (ms: number) => void (nowMs += ms) }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('PushScheduler pushes to those that wait for an answer before others, and to each once', async () => {
  const { scheduler, pushed, client } = setup()
  const [a, b, c] = [client('a'), client('b'), client('c')]
  for (const each of [a, b, c, a, b]) scheduler.add(each)
  c.isAwaited = true
  scheduler.add(c)
  const gone = client('gone')
  scheduler.add(gone)
  scheduler.delete(gone)
  await turn()
  expect(pushed).toEqual(['c', 'a', 'b'])
})

test('PushScheduler lets other work run after a slice of time, and whoever has come meanwhile and waits goes first', async () => {
  const { scheduler, pushed, client, pass } = setup()
  const slow = (name: string): Client =>
    client(name, {
      push: () => {
        pushed.push(name)
        pass(6)
      },
    })
  for (const name of ['a', 'b', 'c', 'd']) scheduler.add(slow(name))
  await Promise.resolve()
  expect(pushed).toEqual(['a', 'b'])
  scheduler.add(client('new', { isAwaited: true }))
  await turn()
  expect(pushed).toEqual(['a', 'b', 'new', 'c', 'd'])
})

test('PushScheduler keeps large answers back while too much is unread, and small ones not', async () => {
  const { scheduler, pushed, client, refused } = setup()
  scheduler.onPushed(100)
  scheduler.add(client('large', { isAwaited: true, due: 1000 }))
  scheduler.add(client('small'))
  await turn()
  expect(pushed).toEqual(['small'])
  expect(refused()).toBeGreaterThan(0)
  scheduler.onSent(1)
  await turn()
  expect(pushed).toEqual(['small', 'large'])
})

test('PushScheduler tells of a push that fails and goes on with the next', async () => {
  const { scheduler, pushed, client } = setup()
  const broken = client('broken', {
    push: () => {
      throw new Error('no')
    },
  })
  scheduler.add(broken)
  scheduler.add(client('next'))
  await turn()
  expect(pushed).toEqual(['broken failed: Error: no', 'next'])
})
