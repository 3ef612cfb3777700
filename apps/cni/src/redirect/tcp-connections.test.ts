import { expect, test } from 'vitest'
import {
  countTunnels,
  isInbound,
  keptConnections,
  lateConnections,
  type TcpConnection,
} from './tcp-connections.ts'

const own = new Set(['127.0.0.1', '::1', '10.1.0.4', 'fd00::4'])

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
