/** The first line again, in short, by the other ways of redirection and over the other families of addresses. */
import { Lab, TCP_SYN, type TcpPacket } from '@ambient/lab'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  answerFor,
  curl,
  enrolShop,
  finishedLine,
  ipOf,
  MARKER,
  podTraffic,
  policyYaml,
  SHOP,
} from '../shop.ts'
import { chosenWay, type IpVersion, versionsOf, type Way } from '../way.ts'

requireRoot()

const CLIENT = 'shop/client'
const OTHER = 'shop/other'
const LOG_MS = 5000

function bytesOf(packets: readonly TcpPacket[]): number {
  return packets.reduce((sum, { payload }) => sum + payload.length, 0)
}

const chosen = chosenWay()
const ways: readonly Way[] =
  chosen === undefined
    ? [
        { redirectMode: 'nftables', families: 'dual' },
        { redirectMode: 'iptables', families: 'ipv6' },
      ]
    : [chosen]

describe.each(ways)('by $redirectMode, pods with $families', ({ redirectMode, families }) => {
  const versions = versionsOf(families)
  let lab: Lab
  const answered = async (pod: string, version: IpVersion): Promise<boolean> =>
    (await curl(lab, pod, 5, version)) === answerFor(lab, pod, version)

  beforeAll(async () => {
    lab = await Lab.up({ nodes: 2, redirectMode, families, manifests: [SHOP] })
    await lab.ready()
  })
  afterAll(() => lab.down())

  test('enrolment: each pod is redirected in this way, and curl works over every family', async () => {
    const works = (version: IpVersion): Promise<boolean> =>
      lab.waitFor(`curl over IPv${version}`, () => answered(CLIENT, version), 10_000)
    for (const version of versions) await works(version)
    await enrolShop(lab)
    expect(lab.app('agent@node1').logs()).toMatch(
      redirectMode === 'nftables' ? 'redirection="nftables"' : /redirection="iptables-(?:nft|legacy)"/,
    )
    for (const version of versions) await works(version)
  })

  test.each(versions)(
    'inside the mesh IPv%s is HBONE only, nginx sees the client, and both ends name identities',
    async (version) => {
      await using wire = await lab.capture()
      for (let i = 0; i < 5; i++) expect(await answered(CLIENT, version)).toBe(true)
      expect(await wire.holds(MARKER)).toBe(false)
      const { hbone, clear } = await podTraffic(wire)
      const own = hbone.filter(({ source }) => source.includes(':') === (version === 6))
      const other = hbone.filter((packet) => !own.includes(packet))
      expect(bytesOf(own)).toBeGreaterThan(5 * answerFor(lab, CLIENT, version).length)
      expect(other.filter(({ flags }) => (flags & TCP_SYN) !== 0)).toEqual([])
      expect(bytesOf(other)).toBeLessThan(200) // what an earlier connection over the other family had left to say
      expect(clear).toEqual([])
      for (const node of ['ztunnel@node1', 'ztunnel@node2']) {
        const line = await lab.waitFor(
          `a finished connection in the log of ${node}`,
          () => finishedLine(lab, node, ipOf(lab, CLIENT, version)),
          LOG_MS,
        )
        expect(line).toContain('src.identity="spiffe://cluster.local/ns/shop/sa/client"')
        expect(line).toContain('dst.identity="spiffe://cluster.local/ns/shop/sa/web"')
      }
    },
  )

  test('a policy by identity refuses over every family', async () => {
    lab.apply(policyYaml('only-client', 'ALLOW', 'client'))
    for (const version of versions) {
      await lab.waitFor(
        'the other to be refused',
        async () => (await curl(lab, OTHER, 5, version)) === '',
        LOG_MS,
      )
      expect(await answered(CLIENT, version)).toBe(true)
    }
    await lab.delete('authorizationpolicy/shop/only-client')
    await lab.waitFor('the other to be let in', () => answered(OTHER, versions[0] ?? 4), LOG_MS)
  })

  test('agents in the other mode move every pod: a connection goes on, no answer is missing, nothing is in the clear', async () => {
    const other = redirectMode === 'nftables' ? 'iptables' : 'nftables'
    const version = versions[0] ?? 4
    const count = await lab.pod(CLIENT).start('exec redis-cli -h cache -r 100000 -i 0.1 incr visits')
    const visits = (): number => count.logs().split('\n').length
    await lab.waitFor('redis to count', () => visits() > 3, LOG_MS)
    await using wire = await lab.capture()
    const hammer = await lab
      .pod(CLIENT)
      .start(
        `while [ ! -e /tmp/stop ]; do curl -sS -${version} --max-time 5 http://web/ || echo "failed: $?"; done`,
      )
    await lab.redirectBy(other)
    for (const agent of ['agent@node1', 'agent@node2']) {
      const moved = (): number => lab.app(agent).logs().split('redirect rules of a pod moved').length - 1
      await lab.waitFor(`${agent} to have moved both pods`, () => moved() === 2, 10_000)
    }
    await lab.pod(CLIENT).exec('touch /tmp/stop')
    await hammer.exited
    const visited = visits()
    await lab.waitFor('redis to go on', () => visits() > visited + 3, LOG_MS)
    const answers = hammer.logs().trim().split('\n')
    expect(answers.length).toBeGreaterThan(5)
    expect(new Set(answers)).toEqual(new Set([answerFor(lab, CLIENT, version).trim()]))
    for (const each of versions) expect(await answered(CLIENT, each)).toBe(true)
    expect(await wire.holds(MARKER)).toBe(false)
    expect((await podTraffic(wire)).clear).toEqual([])
  }, 60_000)
})
