import { createServer } from 'node:net'
import { NetworkNamespace } from '@ambient/linux'
import { requireRoot } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { listeningPorts, parseListeners } from './listening-ports.ts'

requireRoot()
const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue\n'
const row = (local: string, state: string): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000\n`

test.each([
  { name: 'nothing', text: '', ports: [] },
  { name: 'a table without rows', text: HEAD, ports: [] },
  {
    name: 'listeners of both families',
    text: HEAD + row('00000000:3A99', '0A') + row(`${'0'.repeat(32)}:3AA0`, '0A'),
    ports: [15_001, 15_008],
  },
  { name: 'a connection', text: HEAD + row('0100007F:3A99', '01'), ports: [] },
  {
    name: 'a row that is cut off',
    text: HEAD + row('00000000:3A99', '0A') + '   1: 00000000:3AA0 00000000:0000 0A',
    ports: [15_001],
  },
])('parseListeners() reads $name', ({ text, ports }) => {
  expect(parseListeners(text)).toEqual(ports)
})

test('listeningPorts() finds a listener of this process in its own namespace', async () => {
  const server = createServer()
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const bound = server.address()
  using netns = NetworkNamespace.open('/proc/self/ns/net')
  expect(listeningPorts(netns).has(typeof bound === 'object' && bound !== null ? bound.port : 0)).toBe(true)
})
