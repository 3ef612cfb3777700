import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { listeningPorts, parseListening } from './pod-readiness.ts'

test('parseListening() takes listeners of both families and no connection', () => {
  const rows = [
    '  sl  local_address rem_address   st',
    '   0: 0100007F:1F90 00000000:0000 0A',
    '   1: 0100007F:1F91 0100007F:D431 01',
    '   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A',
  ]
  expect(parseListening(`${rows.join('\n')}\n`)).toEqual([8080, 80])
})

test('listeningPorts() sees a real listener', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  expect(listeningPorts(process.pid).has(port)).toBe(true)
  await new Promise((resolve) => server.close(resolve))
  expect(listeningPorts(process.pid).has(port)).toBe(false)
})
