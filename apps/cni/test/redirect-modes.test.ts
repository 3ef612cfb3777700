import type { ChildProcess } from 'node:child_process'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CniNode, type TestPod } from './cni-node.ts'
import { bridgeNetwork } from './networks.ts'
import { inNetns } from './node-rules.ts'
import { connectTo, startEcho } from './pod-programs.ts'
import { buildPlugin } from './run-plugin.ts'
import { allRules } from './scratch-netns.ts'

requireRoot()
const ambient = { 'istio.io/dataplane-mode': 'ambient' }
const REPAIR_MS = 10_000
/** After which a connection that gets no answer counts as one that never will. */
const HUNG_MS = 15_000
let node: CniNode
let ztunnel: ReturnType<CniNode['startZtunnel']>
let numbers = 0

interface Mode {
  readonly backend: string
  readonly env: Readonly<Record<string, string>>
  /** Takes all redirects away, as somebody else would. */
  readonly sabotage: readonly (readonly string[])[]
  readonly hostSabotage: readonly (readonly string[])[]
}

const iptables = (flavour: 'nft' | 'legacy'): Mode => ({
  backend: `iptables-${flavour}`,
  env: { FORCE_IPTABLES_BINARY: flavour },
  sabotage: ['iptables', 'ip6tables'].map((program) => [`${program}-${flavour}`, '-t', 'nat', '-F']),
  hostSabotage: [
    [`iptables-${flavour}`, '-t', 'nat', '-F'],
    ['ipset', 'flush'],
  ],
})
const nftables: Mode = {
  backend: 'nftables',
  env: { REDIRECT_MODE: 'nftables' },
  sabotage: [['nft', 'flush', 'ruleset']],
  hostSabotage: [['nft', 'flush', 'ruleset']],
}

beforeAll(buildPlugin)
beforeEach(() => {
  node = new CniNode(`cr${process.pid}n${++numbers}`)
  ztunnel = node.startZtunnel()
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(node.log())
  await node.close()
})

async function startAgent({ env }: Mode): Promise<ChildProcess> {
  const connected = ztunnel.events().filter(({ kind }) => kind === 'snapshot-sent').length
  const agent = await node.startAgent(env)
  await waitFor(
    'ztunnel to connect',
    () => ztunnel.events().filter(({ kind }) => kind === 'snapshot-sent').length > connected,
  )
  return agent
}

async function stopAgent(agent: ChildProcess): Promise<void> {
  agent.kill('SIGTERM')
  await waitFor('the agent to end', () => agent.exitCode !== null)
}

/** A pod that answers, made by the chain of plugins. */
async function addPod(labels: Readonly<Record<string, string>> = {}): Promise<TestPod> {
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending', labels })
  expect((await node.add(pod)).status).toBe(0)
  node.writePod(pod, { labels })
  await startEcho(node, pod)
  return pod
}

const outside = { 'istio.io/dataplane-mode': 'none' }
const relays = (): number => ztunnel.events().filter(({ kind }) => kind === 'relay').length
const backendsOf = async (pod: TestPod): Promise<unknown> =>
  (await node.status()).pods.find(({ uid }) => uid === pod.uid)?.redirection

describe.each([iptables('nft'), nftables])('redirection by $backend', (mode) => {
  test('enrols, captures, lets probes in, repairs what somebody removed, and leaves nothing behind', async () => {
    node.writeNamespace({})
    const agent = await startAgent({ ...mode, env: { ...mode.env, AMBIENT_DISABLE_SAFE_UPGRADE: 'true' } })
    const pod = await addPod()
    const peer = await addPod(outside)
    const before = allRules(pod.netns)
    node.writeNamespace(ambient)
    await waitFor('the pod to be enrolled', async () => (await node.state(pod)) === 'enrolled')
    expect(await backendsOf(pod)).toEqual({ backends: [mode.backend], isWhole: true })
    const enrolled = allRules(pod.netns)
    expect(enrolled).not.toBe(before)

    const captured = connectTo(node, pod, peer.netns)
    await waitFor('the greeting through the stand-in', () => captured.heard().includes(`peer ${peer.ip}\n`))
    expect(relays()).toBe(1)
    await expectProbe(pod)

    const tookMs: number[] = []
    for (const words of [mode.sabotage, [...mode.sabotage, ['ip', 'rule', 'del', 'pref', '32764']]]) {
      for (const each of words) inNetns(pod.netns, ...each)
      expect(allRules(pod.netns)).not.toBe(enrolled)
      const sinceMs = performance.now()
      await waitFor('the rules to be there again', () => allRules(pod.netns) === enrolled, {
        deadlineMs: REPAIR_MS,
      })
      tookMs.push(performance.now() - sinceMs)
    }
    console.log(`${mode.backend}: rules repaired after ${tookMs.map((ms) => Math.round(ms)).join(', ')} ms`)
    const again = connectTo(node, pod, peer.netns)
    await waitFor('a captured greeting', () => again.heard().includes(`peer ${peer.ip}\n`))
    expect(relays()).toBe(2)
    await waitFor('the repair to be seen', async () =>
      JSON.stringify(await backendsOf(pod)).includes('"isWhole":true'),
    )

    for (const each of mode.hostSabotage) node.exec(...each)
    await waitFor('the rules of the node to be there again', () => expectProbe(pod).then(() => true), {
      deadlineMs: REPAIR_MS,
    })

    node.writeNamespace({})
    captured.close()
    again.close()
    await waitFor('the pod to have left', async () => (await node.state(pod)) === undefined, {
      deadlineMs: 15_000,
    })
    expect(allRules(pod.netns)).toBe(before)
    await stopAgent(agent)
    expect(allRules(node.name)).not.toContain('istio')
    expect(node.exec('ipset', 'save')).toBe('')
  }, 120_000)

  test.each(['ipv4', 'ipv6'] as const)(
    'open connections over %s are kept and counted, and those by which a pod took plaintext are reset where it is refused',
    async (family) => {
      node.writePrimary(bridgeNetwork(node.directory, family))
      node.writeNamespace({})
      refusePlaintext('locked', { app: 'locked' })
      await startAgent(mode)
      const [pod, locked, peer] = [await addPod(), await addPod({ app: 'locked' }), await addPod(outside)]
      const inward = connectTo(node, pod, peer.netns)
      const outward = connectTo(node, peer, pod.netns)
      const refused = connectTo(node, locked, peer.netns)
      const allowed = connectTo(node, peer, locked.netns)
      for (const each of [inward, outward, refused, allowed])
        await waitFor('a greeting', () => each.heard().includes('peer'))

      node.writeNamespace(ambient)
      for (const each of [pod, locked])
        await waitFor('the pod to be enrolled', async () => (await node.state(each)) === 'enrolled')
      await waitFor('the connection to be reset', refused.exited)
      const keptOf = async (each: TestPod): Promise<unknown> =>
        (await node.status()).pods.find(({ uid }) => uid === each.uid)?.keptConnections
      expect(await keptOf(pod)).toMatchObject({ count: 2, open: 2 })
      expect(await keptOf(locked)).toMatchObject({ count: 1, open: 1 })

      refusePlaintext('everywhere')
      await waitFor('the connection to be reset', inward.exited)
      await waitFor('it to be counted no more', async () =>
        JSON.stringify(await keptOf(pod)).startsWith('{"count":1,'),
      )
      for (const each of [outward, allowed]) {
        each.send('goes on')
        await waitFor('an echo on what the pod dialled', () => each.heard().includes('goes on'))
      }
      expect(node.log()).toContain('connection reset: it was open before, and the pod takes mutual TLS only')
      expect(relays()).toBe(0)
    },
    120_000,
  )
})

/** A PeerAuthentication of the namespace, or of what carries the labels. */
function refusePlaintext(name: string, matchLabels?: Readonly<Record<string, string>>): void {
  node.write(`peer-${name}.yaml`, {
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name, namespace: 'shop' },
    spec: { ...(matchLabels === undefined ? {} : { selector: { matchLabels } }), mtls: { mode: 'STRICT' } },
  })
}

/** What the node itself sends arrives from the probe address, past ztunnel. */
async function expectProbe(pod: TestPod): Promise<void> {
  const before = relays()
  const probe = connectTo(node, pod, node.name)
  await waitFor('a probe to be answered', () => probe.heard().includes('peer'), { deadlineMs: 2000 })
  probe.close()
  expect(probe.heard()).toContain('peer 169.254.7.127\n')
  expect(relays()).toBe(before)
}

test('a change of mode moves running pods; every connection goes on, and none passes by ztunnel meanwhile', async () => {
  node.writeNamespace(ambient)
  let agent = await startAgent(iptables('nft'))
  const pods = [await addPod(), await addPod()]
  const [pod] = pods
  if (pod === undefined) throw new Error('no pod')
  const peer = await addPod(outside)
  const open = connectTo(node, pod, peer.netns)
  await waitFor('a greeting', () => open.heard().includes('peer'))

  for (const mode of [nftables, iptables('legacy')]) {
    await stopAgent(agent)
    const hammer = keepConnecting(pod, peer)
    const relayed = relays()
    agent = await startAgent(mode)
    for (const each of pods) {
      await waitFor(
        `the pod to be moved to ${mode.backend}`,
        async () =>
          JSON.stringify(await backendsOf(each)) ===
          JSON.stringify({ backends: [mode.backend], isWhole: true }),
      )
    }
    const { made, failed, hung } = await hammer.stop()
    expect(made).toBeGreaterThan(10)
    expect({ failed, hung }).toEqual({ failed: 0, hung: [] })
    expect(relays() - relayed).toBe(made)
    open.send(mode.backend)
    await waitFor('an echo on the connection from before', () => open.heard().includes(mode.backend))
    await expectProbe(pod)
    expect(node.log()).toContain(`to="${mode.backend}"`)
  }
  expect(allRules(node.name)).not.toContain('inet istio-ambient')

  node.writeNamespace({})
  open.close()
  for (const each of pods) {
    await waitFor('the pod to have left', async () => (await node.state(each)) === undefined, {
      deadlineMs: 15_000,
    })
    expect(allRules(each.netns)).not.toMatch(/istio|lookup 100|table 100/i)
  }
}, 150_000)

interface Connected {
  readonly made: number
  readonly failed: number
  /** The local ports of those that were not answered, and what had become of them. */
  readonly hung: readonly string[]
}

/** One connection after the other, in one process; one that is not answered in time ends with a name. */
function keepConnecting(pod: TestPod, from: TestPod): { stop(): Promise<Connected> } {
  const script = `
let made = 0, failed = 0, hung = [], isOver = false
const next = () => {
  if (isOver) { console.log(JSON.stringify({ made, failed, hung })); process.exit(0) }
  made++
  let isAnswered = false
  const s = require('net').connect(8080, '${pod.ip}')
  const end = () => { hung.push((s.localPort ?? 'no port') + ' ' + s.readyState); isAnswered = true; s.destroy() }
  s.setTimeout(${HUNG_MS}, end)
  s.once('data', () => { isAnswered = true; s.destroy() })
  s.on('error', () => {})
  s.once('end', () => s.destroy())
  s.once('close', () => { if (!isAnswered) failed++; setTimeout(next, 2) })
}
process.stdin.once('data', () => { isOver = true })
next()`
  const client = node.spawn(from.netns, [process.execPath, '-e', script], {})
  let said = ''
  client.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  return {
    stop: async () => {
      client.stdin?.write('stop')
      await waitFor('the client to end', () => client.exitCode !== null, { deadlineMs: 2 * HUNG_MS })
      return JSON.parse(said) as Connected
    },
  }
}
