import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { LineWriter } from './line-writer.ts'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('LineWriter writes the lines of one turn at once', async () => {
  const stream = new PassThrough()
  const chunks: string[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  const writer = new LineWriter(stream, { maxQueuedLines: 10 })
  writer.write('a')
  writer.write('b')
  await settle()
  expect(chunks).toEqual(['a\nb\n'])
})

test('LineWriter drops and counts what does not fit while the stream is full, and goes on afterwards', async () => {
  const stream = new PassThrough({ highWaterMark: 4 })
  let told = 0
  const writer = new LineWriter(stream, { maxQueuedLines: 2, onDropped: (count) => void (told += count) })
  writer.write('first')
  await settle()
  for (const line of ['kept 1', 'kept 2', 'lost 1', 'lost 2']) writer.write(line)
  expect([writer.dropped, told]).toEqual([2, 2])
  const chunks: string[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  await settle()
  expect(chunks.join('')).toBe('first\nkept 1\nkept 2\n')
})

test('LineWriter survives a stream that fails', async () => {
  const stream = new PassThrough()
  const writer = new LineWriter(stream, { maxQueuedLines: 2 })
  stream.destroy(new Error('EPIPE'))
  await settle()
  writer.write('x')
  await settle()
  expect(stream.destroyed).toBe(true)
})
