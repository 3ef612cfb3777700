import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { Resolver } from 'node:dns/promises'
import { decodeMessage, encodeMessage } from '@ambient/dns'
import { limitValues } from '@ambient/telemetry'
import { expect, onTestFinished, test } from 'vitest'
import { HOST_LIMITS, type HostLimits } from './host-limits.ts'
import { HostResolver } from './host-resolver.ts'

const NXDOMAIN = 3

/** A resolver with a name server that knows `records`, by name and type; `asked` are the questions it got. */
async function open(records: Readonly<Record<string, string>>, limits: Partial<HostLimits> = {}) {
  const server = createSocket('udp4')
  const asked: string[] = []
  const names = new Set(Object.keys(records).map((key) => key.split(' ')[0]))
  server.on('message', (bytes, { address, port }) => {
    const query = decodeMessage(bytes)
    const [question] = query.questions
    if (question === undefined) return
    const { name, type } = question
    asked.push(`${name} ${type}`)
    const ip = records[`${name} ${type}`]
    const record = {
      name,
      class: question.class,
      ttlSeconds: 30,
      data: { kind: 'address', ip: ip ?? '' },
    } as const
    const answers = ip === undefined ? [] : [record]
    const responseCode = names.has(name) ? 0 : NXDOMAIN
    server.send(
      encodeMessage({ ...query, isResponse: true, responseCode, answers, edns: undefined }),
      port,
      address,
    )
  })
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const lookup = new Resolver({ timeout: 500, tries: 1 })
  lookup.setServers([`127.0.0.1:${server.address().port}`])
  const time = { nowMs: 0 }
  const hit: string[] = []
  const resolver = new HostResolver({
    lookup,
    clock: { nowMs: () => time.nowMs, monotonicMs: () => time.nowMs, sleep: () => Promise.resolve() },
    limits: { ...limitValues(HOST_LIMITS), ...limits },
    onLimit: () => hit.push('limit'),
  })
  return { resolver, asked, time, hit }
}

const A = '10.1.2.3'
const AAAA = 'fd00::1'

test('HostResolver.resolve() gives the addresses of both families, and asks again when their time is over', async () => {
  const { resolver, asked, time } = await open({ 'db.example 1': A, 'db.example 28': AAAA })
  expect(await Promise.all([resolver.resolve('db.example'), resolver.resolve('db.example')])).toEqual([
    { addresses: ['10.1.2.3', 'fd00::1'], ttlMs: 30_000 },
    { addresses: ['10.1.2.3', 'fd00::1'], ttlMs: 30_000 },
  ])
  time.nowMs = 29_000
  expect(await resolver.resolve('db.example')).toMatchObject({ ttlMs: 1000 })
  expect(asked.toSorted()).toEqual(['db.example 1', 'db.example 28'])
  time.nowMs = 30_000
  await resolver.resolve('db.example')
  expect(asked).toHaveLength(4)
})

test('HostResolver.resolve() needs one family only', async () => {
  const { resolver } = await open({ 'db.example 28': AAAA })
  expect(await resolver.resolve('db.example')).toMatchObject({ addresses: ['fd00::1'] })
})

test('HostResolver.resolve() says what DNS said, and asks again after a moment', async () => {
  const { resolver, asked, time } = await open({})
  await expect(resolver.resolve('gone.example')).rejects.toThrow(
    /no ip addresses were resolved for gone.example.*ENOTFOUND/,
  )
  await expect(resolver.resolve('gone.example')).rejects.toThrow('gone.example')
  expect(asked).toHaveLength(2)
  time.nowMs = 1000
  await expect(resolver.resolve('gone.example')).rejects.toThrow('gone.example')
  expect(asked).toHaveLength(4)
})

test('HostResolver.resolve() keeps within its bounds', async () => {
  const { resolver, asked, hit } = await open(
    { 'a.example 1': A, 'b.example 1': A, 'c.example 1': A },
    { hostsCached: 1, hostsInFlight: 1, maxTtlMs: 5000 },
  )
  const first = resolver.resolve('a.example')
  await expect(resolver.resolve('b.example')).rejects.toThrow('too many host names')
  expect([await first, hit]).toEqual([{ addresses: ['10.1.2.3'], ttlMs: 5000 }, ['limit']])
  await resolver.resolve('b.example')
  const before = asked.length
  await resolver.resolve('a.example')
  expect(asked.length - before).toBe(2)
})
