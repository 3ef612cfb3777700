import { getEventListeners } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { Scope } from './scope.ts'

test('Scope releases what it holds, last first, with its signal aborted', async () => {
  const order: string[] = []
  {
    await using scope = new Scope()
    scope.defer(() => void order.push(`first, aborted ${scope.signal.aborted}`))
    scope.use({ [Symbol.dispose]: () => void order.push('second') })
    scope.defer(async () => void order.push('third'))
  }
  expect(order).toEqual(['third', 'second', 'first, aborted true'])
})

test('Scope takes its listener off a parent that lives on', async () => {
  const parent = new AbortController()
  for (let i = 0; i < 100; i++) {
    await using scope = new Scope(parent.signal)
    expect(scope.signal.aborted).toBe(false)
  }
  expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0)
})

test('Scope ends with its parent, also one that ended before', async () => {
  const parent = new AbortController()
  await using scope = new Scope(parent.signal)
  const reason = new Error('process ends')
  parent.abort(reason)
  expect(scope.signal.reason).toBe(reason)
  await using late = new Scope(parent.signal)
  expect(late.signal.reason).toBe(reason)
})

test('Scope.owns() survives an error nobody listens for and destroys the stream', async () => {
  const stream = new PassThrough()
  {
    await using scope = new Scope()
    scope.owns(stream).emit('error', new Error('unheard'))
    expect(stream.destroyed).toBe(false)
  }
  expect(stream.destroyed).toBe(true)
})
