import { expect, test } from 'vitest'
import {
  countTunnels,
  describeConnection,
  isInbound,
  keptConnections,
  lateConnections,
  parseMarkedSockets,
  parseTcpTable,
  type TcpConnection,
} from './tcp-connections.ts'

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const row = (local: string, remote: string, state: string): string =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1`
const own = new Set(['127.0.0.1', '::1', '10.1.0.4', 'fd00::4'])

test('parseTcpTable() reads both families and folds mapped addresses', () => {
  const text = [
    HEAD,
    row('0400010A:1F90', '0900020A:C350', '01'),
    row('0000000000000000FFFF00000400010A:1F90', '0000000000000000FFFF00000900020A:C351', '08'),
    row('000000FD000000000000000004000000:0050', '000000FD000000000000000009000000:0051', '01'),
    'rubbish',
  ].join('\n')
  expect(parseTcpTable(text).map(describeConnection)).toEqual([
    '10.1.0.4:8080 -> 10.2.0.9:50000',
    '10.1.0.4:8080 -> 10.2.0.9:50001',
    '[fd00::4]:80 -> [fd00::9]:81',
  ])
})

test.each([
  { state: '0A', name: 'LISTEN' },
  { state: '06', name: 'TIME_WAIT' },
])('parseTcpTable() leaves out $name', ({ state }) => {
  expect(parseTcpTable(`${HEAD}\n${row('0400010A:1F90', '0900020A:C350', state)}`)).toEqual([])
})

const to = (ip: string, port = 1000): { ip: string; port: number } => ({ ip, port })
test.each([
  {
    name: 'keeps a connection with somebody else',
    local: to('10.1.0.4', 50_000),
    remote: to('10.2.0.7', 6379),
    kept: 1,
  },
  { name: 'leaves out loopback', local: to('127.0.0.1'), remote: to('127.0.0.1'), kept: 0 },
  {
    name: 'leaves out the pod talking to its own address',
    local: to('10.1.0.4'),
    remote: to('10.1.0.4', 80),
    kept: 0,
  },
  { name: 'leaves out HBONE to the pod', local: to('10.1.0.4', 15_008), remote: to('10.2.0.7'), kept: 0 },
  { name: 'leaves out HBONE from the pod', local: to('10.1.0.4'), remote: to('10.2.0.7', 15_008), kept: 0 },
  {
    name: 'leaves out what ztunnel dials with a client address',
    local: to('10.2.0.7'),
    remote: to('10.1.0.4', 80),
    kept: 0,
  },
])('keptConnections() $name', ({ local, remote, kept }) => {
  expect(keptConnections([{ local, remote }], own)).toHaveLength(kept)
})

test.each([
  {
    name: 'counts an accepted outbound connection',
    local: to('127.0.0.1', 15_001),
    remote: to('10.1.0.4'),
    tunnels: 1,
  },
  {
    name: 'counts an accepted inbound plaintext connection',
    local: to('10.1.0.4', 15_006),
    remote: to('10.2.0.7'),
    tunnels: 1,
  },
  {
    name: 'counts what is dialled with a client address',
    local: to('10.2.0.7'),
    remote: to('10.1.0.4', 80),
    tunnels: 1,
  },
  {
    name: 'does not count an HBONE session',
    local: to('10.1.0.4', 15_008),
    remote: to('10.2.0.7'),
    tunnels: 0,
  },
  {
    name: 'does not count an ordinary connection',
    local: to('10.1.0.4'),
    remote: to('10.2.0.7', 80),
    tunnels: 0,
  },
])('countTunnels() $name', ({ local, remote, tunnels }) => {
  expect(countTunnels([{ local, remote }], own)).toBe(tunnels)
})

const web = { local: to('10.1.0.4', 8080), remote: to('10.2.0.7', 40_000) }
const out = { local: to('10.1.0.4', 50_000), remote: to('10.2.0.7', 6379) }
const spoofed = { local: web.remote, remote: web.local }
const accepted = { local: to('127.0.0.1', 15_001), remote: out.local }
test.each<{ name: string; before: TcpConnection[]; after: TcpConnection[]; late: TcpConnection[] }>([
  { name: 'names what came in between', before: [], after: [web, out], late: [web, out] },
  { name: 'does not name again what was there before', before: [web], after: [web], late: [] },
  {
    name: 'leaves out an inbound connection that ztunnel dialled',
    before: [],
    after: [web, spoofed],
    late: [],
  },
  {
    name: 'leaves out an outbound connection that ztunnel accepted',
    before: [],
    after: [out, accepted],
    late: [],
  },
  {
    name: 'leaves out what ztunnel accepted itself',
    before: [],
    after: [{ local: to('10.1.0.4', 15_006), remote: to('10.2.0.7') }],
    late: [],
  },
])('lateConnections() $name', ({ before, after, late }) => {
  expect(lateConnections(before, after, own)).toEqual(late)
})

test('parseMarkedSockets() reads the connections that carry the mark', () => {
  const text = [
    'ESTAB 0 0 10.1.0.4:44122 10.2.0.7:15008 ino:1 sk:2 cgroup:/ fwmark:0x539 <->',
    'ESTAB 0 0 10.1.0.4:44123 10.2.0.7:80 ino:1 sk:2 cgroup:/ <->',
    'ESTAB 0 0 [::ffff:10.1.0.4]:80 [::ffff:10.2.0.7]:81 ino:1 sk:3 fwmark:0x539 v6only:0 <->',
    'ESTAB 0 0 10.1.0.4%eth0:1 10.2.0.7:2 fwmark:0x5390',
  ].join('\n')
  expect(parseMarkedSockets(text).map(describeConnection)).toEqual([
    '10.1.0.4:44122 -> 10.2.0.7:15008',
    '10.1.0.4:80 -> 10.2.0.7:81',
  ])
})

const ports = { listening: new Set([8080, 40_000]), ephemeral: { first: 32_768, last: 60_999 } }

test.each([
  { what: 'to a port that is listened on', port: 8080, expected: true },
  { what: 'to such a port, of those that clients are given', port: 40_000, expected: true },
  { what: 'from a port that clients are given', port: 40_001, expected: false },
  { what: 'to a port whose listener has gone', port: 9090, expected: true },
])('isInbound() is $expected for a connection $what', ({ port, expected }) => {
  expect(isInbound({ local: { ip: '10.1.0.4', port }, remote: { ip: '10.2.0.7', port: 1 } }, ports)).toBe(
    expected,
  )
})
