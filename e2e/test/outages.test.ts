import { Lab } from '@ambient/lab'
import type { Capture, LabPod } from '@ambient/lab'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerFor, curl, enrolShop, MARKER, podTraffic, policyYaml, SHOP } from '../shop.ts'
import { chosenWay } from '../way.ts'

requireRoot()

let lab: Lab
const pod = (name: string): LabPod => lab.pod(`shop/${name}`)
const ask = (from: string): Promise<string> => curl(lab, `shop/${from}`, 3)
const answer = (from: string): string => answerFor(lab, `shop/${from}`)
/** Rules without their counters. */
const rulesOf = async (name: string): Promise<string> =>
  (
    await pod(name).exec(
      chosenWay()?.redirectMode === 'nftables'
        ? 'nft --stateless list ruleset'
        : '(iptables-save; ip6tables-save) | grep "^[-*:]" | sed "s/ \\[.*//"',
    )
  ).stdout

beforeAll(async () => {
  lab = await Lab.up({ nodes: 2, ...chosenWay(), manifests: [SHOP] })
  await lab.ready()
  await enrolShop(lab)
  await lab.waitFor('curl through the mesh', async () => (await ask('client')) === answer('client'), 10_000)
})
afterAll(() => lab.down())

/** Packets between pods that are not HBONE, as `source > destination`; there must be some HBONE, or nothing was seen. */
async function inTheClear(wire: Capture): Promise<readonly string[]> {
  const { hbone, clear } = await podTraffic(wire)
  expect(hbone.length).toBeGreaterThan(0)
  return clear.map((p) => `${p.source}:${p.sourcePort} > ${p.destination}:${p.destinationPort}`)
}

test('an agent away: what is enrolled goes on, a new pod waits for it, and coming back it disturbs no rule', async () => {
  const rules = await rulesOf('client')
  expect(rules).toMatch(/REDIRECT --to-ports 15001|redirect to :15001/)
  await lab.app('agent@node1').kill('SIGKILL')
  expect(await ask('client')).toBe(answer('client'))

  lab.apply(
    '{apiVersion: v1, kind: Pod, metadata: {name: late, namespace: shop}, spec: {nodeName: node1, containers: [{name: idle, command: [sleep, infinity]}]}}',
  )
  await lab.waitFor(
    'the CNI chain to be asked to try again',
    () => pod('late').events.some((event) => event.includes('refused with 11')),
    10_000,
  )
  expect(pod('late').isReady).toBe(false)

  await lab.app('agent@node1').start()
  await pod('late').ready()
  await lab.app('agent@node1').ready()
  expect(await ask('late')).toBe(answer('late'))
  expect(await rulesOf('client')).toBe(rules)
  expect(await ask('client')).toBe(answer('client'))
})

test('a new pod of an enrolled namespace is in the mesh from its first packet', async () => {
  await using wire = await lab.capture()
  const command = 'until curl -sS --max-time 1 http://web/; do sleep 0.02; done; exec sleep infinity'
  lab.apply(
    `{apiVersion: v1, kind: Pod, metadata: {name: eager, namespace: shop}, spec: {nodeName: node1, containers: [{name: eager, command: [sh, -c, ${JSON.stringify(command)}]}]}}`,
  )
  await lab.waitFor('its first answer', () => pod('eager').logs().includes(MARKER), 15_000)
  expect(pod('eager').logs()).toContain(answer('eager'))
  expect(await inTheClear(wire)).toEqual([])
  expect(await wire.holds(MARKER)).toBe(false)
  await lab.delete('pod/shop/eager')
})

test('istiod away: new connections and policies in force go on; back again, changes arrive', async () => {
  await lab.app('istiod').kill('SIGKILL')
  expect(await ask('client')).toBe(answer('client'))
  expect(await ask('other')).toBe(answer('other'))
  lab.apply(policyYaml('only-client', 'ALLOW', 'client'))
  await lab.app('istiod').start()
  await lab.app('istiod').ready()
  await lab.waitFor('the policy to refuse the other', async () => (await ask('other')) === '', 15_000)
  expect(await ask('client')).toBe(answer('client'))
  await lab.delete('authorizationpolicy/shop/only-client')
  await lab.waitFor(
    'the other to be let in again',
    async () => (await ask('other')) === answer('other'),
    5_000,
  )
})

test('a ztunnel killed under traffic: nothing in the clear meanwhile, and the first new byte within 1 s of its return', async () => {
  await using wire = await lab.capture()
  const traffic = await pod('client').start(
    'while :; do curl -sS --max-time 1 http://web/ || echo failed; done',
  )
  await traffic.waitForLog(new RegExp(MARKER), 5_000)
  const ztunnel = lab.app('ztunnel@node1')
  await ztunnel.kill('SIGKILL')
  const failures = (): number => traffic.logs().split('failed').length
  const before = failures()
  await lab.waitFor('connections to be refused', () => failures() > before + 2, 5_000)
  const answered = traffic.logs().split(MARKER).length
  await ztunnel.start()
  await ztunnel.ready()
  await lab.waitFor(
    'the first answer after its return',
    () => traffic.logs().split(MARKER).length > answered,
    1_000,
  )
  await traffic.kill('SIGKILL')
  expect(await wire.holds(MARKER)).toBe(false)
  expect(await inTheClear(wire)).toEqual([])
})

test('a pod that is deleted leaves neither records nor rules, and its successor of the same name is its own', async () => {
  const uid = pod('late').uid
  await lab.delete('pod/shop/late')
  const states = async (): Promise<object> =>
    (
      JSON.parse((await lab.httpGet('ztunnel@node1', 15_000, '/config_dump')).body) as {
        workloadState: object
      }
    ).workloadState
  await lab.waitFor('ztunnel to forget the pod', async () => !(uid in (await states())), 5_000)
  lab.apply(
    '{apiVersion: v1, kind: Pod, metadata: {name: late, namespace: shop}, spec: {nodeName: node1, containers: [{name: idle, command: [sleep, infinity]}]}}',
  )
  await lab.waitFor('the new pod', () => pod('late').isReady && pod('late').uid !== uid, 15_000)
  await lab.waitFor('curl from the new pod', async () => (await ask('late')) === answer('late'), 5_000)
})
