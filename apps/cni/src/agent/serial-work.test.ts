import { expect, test } from 'vitest'
import { SerialWork } from './serial-work.ts'

test('SerialWork runs one key in order, also after a failure, and other keys beside it', async () => {
  const work = new SerialWork()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = work.run('a', async () => {
    await gate.promise
    seen.push('a1')
    throw new Error('no')
  })
  const second = work.run('a', () => Promise.resolve(seen.push('a2')))
  await work.run('b', () => Promise.resolve(seen.push('b1')))
  expect(seen).toEqual(['b1'])
  gate.resolve()
  await expect(first).rejects.toThrow('no')
  await second
  await work.idle()
  expect(seen).toEqual(['b1', 'a1', 'a2'])
})
