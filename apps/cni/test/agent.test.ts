import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CniNode } from './cni-node.ts'
import { bridgeNetwork } from './networks.ts'
import { inNetns } from './node-rules.ts'
import { connectTo, startEcho } from './pod-programs.ts'
import { buildPlugin, parseObject, type PluginRun } from './run-plugin.ts'
import { allRules } from './scratch-netns.ts'

requireRoot()
let node: CniNode
let numbers = 0

beforeAll(buildPlugin)
beforeEach(() => {
  node = new CniNode(`ca${process.pid}n${++numbers}`)
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(node.log())
  await node.close()
})

const ambient = { 'istio.io/dataplane-mode': 'ambient' }
function expectFailure(answer: string, code: number, details: string): void {
  expect(parseObject(answer)).toMatchObject({ cniVersion: '1.0.0', code })
  expect(parseObject(answer)['details']).toContain(details)
}

/** A pod that is never of the mesh. */
async function addOutsider(): Promise<ReturnType<CniNode['newPod']>> {
  const other = node.newPod()
  node.writePod(other, { labels: { 'istio.io/dataplane-mode': 'none' } })
  expect((await node.add(other)).status).toBe(0)
  return other
}

test('the CNI chain enrols a pod before it starts, and hands the result on byte for byte', async () => {
  node.writeNamespace(ambient)
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  const ztunnel = node.startZtunnel()
  await node.startAgent()
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))

  const added = await node.add(pod)
  expect(added).toMatchObject({ status: 0, stdout: added.before.trim() })
  expect(inNetns(pod.netns, 'iptables-save', '-t', 'nat')).toContain('--to-ports 15006')
  expect(ztunnel.events()).toContainEqual({ kind: 'add', uid: pod.uid })
  expect(node.exec('ipset', 'save')).toContain(`${pod.ip} comment "${pod.uid}"`)
  const metrics = node.httpGet(15_014, '/metrics').split('\n')
  expect(metrics).toContain('ztunnel_connected 1')
  expect(metrics).toContain('istio_cni_plugin_requests_total{response_code="200"} 1')
  expect(metrics).toContain('nodeagent_reconcile_events_total{type="add"} 1')
  node.writePod(pod)
  expect((await node.check(pod)).status).toBe(0)
  const refused = await waitFor(
    'CHECK to see that rules are gone, before the agent has repaired them',
    async () => {
      inNetns(pod.netns, 'iptables', '-t', 'nat', '-F', 'ISTIO_OUTPUT')
      const checked = await node.check(pod)
      return checked.status !== 0 && checked
    },
  )
  expectFailure(refused.stdout, 100, '15001')

  expect(await node.del(pod)).toMatchObject({ status: 0, stdout: '' })
  await waitFor('ztunnel to be told', () =>
    ztunnel.events().some(({ kind, uid }) => kind === 'del' && uid === pod.uid),
  )
  expect(node.exec('ipset', 'save')).not.toContain(pod.uid)
  node.deletePod(pod)
  await waitFor('the pod to be forgotten', async () => (await node.state(pod)) === undefined)
})

test('every version of the specification from 0.3.0 on works with a real primary, and 1.1.0 with its new verbs', async () => {
  node.writeNamespace(ambient)
  const ztunnel = node.startZtunnel()
  await node.startAgent()
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0']) {
    node.writePrimary({ ...bridgeNetwork(node.directory), cniVersion })
    await waitFor('the network to be copied', () => node.network.cniVersion === cniVersion)
    const pod = node.newPod()
    node.writePod(pod, { phase: 'Pending' })
    const added = await node.add(pod)
    expect(added).toMatchObject({ status: 0, stdout: added.before.trim() })
    expect(parseObject(added.stdout)['cniVersion']).toBe(cniVersion)
    expect(ztunnel.events()).toContainEqual({ kind: 'add', uid: pod.uid })
    if (cniVersion >= '0.4.0') expect((await node.check(pod)).status).toBe(0)
    for (let twice = 0; twice < 2; twice++)
      expect(await node.del(pod)).toMatchObject({ status: 0, stdout: '' })
    node.deletePod(pod)
  }

  // Debian's plugins do not know 1.1.0: from here on ours alone.
  const [kept, gone] = [node.newPod(), node.newPod()]
  const newest = { cniVersion: '1.1.0' }
  for (const [index, pod] of [kept, gone].entries()) {
    node.writePod(pod, { phase: 'Pending' })
    inNetns(pod.netns, 'ip', 'link', 'set', 'lo', 'up')
    const result = `{ "cniVersion":"1.1.0", "interfaces":[{"name":"eth0","mtu":1400}], "ips":[{"address":"10.77.1.${index + 1}/24"}] }`
    const add = (): Promise<PluginRun> => node.cni('ADD', pod, result, newest)
    await waitFor('the pod to be known', async () => (await add()).stdout === result)
    expect((await node.cni('CHECK', pod, result, newest)).status).toBe(0)
  }
  expect(await node.cni('STATUS', kept, undefined, newest)).toEqual({ status: 0, stdout: '', stderr: '' })
  const attachments = [{ containerID: kept.containerId, ifname: 'eth0' }]
  const collected = await node.cni('GC', kept, undefined, {
    ...newest,
    'cni.dev/valid-attachments': attachments,
  })
  expect(collected).toEqual({ status: 0, stdout: '', stderr: '' })
  expect([await node.state(kept), await node.state(gone)]).toEqual(['enrolled', 'detached'])
  expect(ztunnel.events()).toContainEqual({ kind: 'del', uid: gone.uid })
  expect(ztunnel.events()).not.toContainEqual({ kind: 'del', uid: kept.uid })
})

test('ADD fails with 11 while no ztunnel is there, and leaves nothing in the pod', async () => {
  node.writeNamespace(ambient)
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  await node.startAgent()
  const before = allRules(pod.netns)
  const added = await node.add(pod)
  expect(added.status).toBe(1)
  expectFailure(added.stdout, 11, 'ZDS_NOT_CONNECTED')
  expect(
    allRules(pod.netns)
      .split('\n')
      .filter((line) => line.startsWith('-A')),
  ).toEqual(before.split('\n').filter((line) => line.startsWith('-A')))
})

test('ADD fails with 11 when ztunnel refuses, and says why', async () => {
  node.writeNamespace(ambient)
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  const ztunnel = node.startZtunnel('refuse')
  await node.startAgent()
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  const added = await node.add(pod)
  expectFailure(added.stdout, 11, 'no room for it')
})

test('ADD lets pods through that are not of the mesh, without asking ztunnel', async () => {
  node.writeNamespace(ambient)
  const pod = node.newPod()
  node.writePod(pod, { labels: { 'istio.io/dataplane-mode': 'none' }, phase: 'Pending' })
  await node.startAgent()
  const added = await node.add(pod)
  expect(added).toMatchObject({ status: 0, stdout: added.before.trim() })
  expect(inNetns(pod.netns, 'iptables-save')).not.toContain('ISTIO')
  const excluded = await node.cni('ADD', pod, '{"cniVersion":"1.0.0" }', { namespace: 'kube-system' })
  expect(excluded).toMatchObject({ status: 0, stdout: '{"cniVersion":"1.0.0" }' })
})

test('a label enrols a running pod: its connection goes on and is named, a new one is captured; taking it away undoes all', async () => {
  node.writeNamespace({})
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  const ztunnel = node.startZtunnel()
  await node.startAgent()
  expect((await node.add(pod)).status).toBe(0)
  const other = await addOutsider()
  await startEcho(node, pod)
  node.writePod(pod)
  const before = allRules(pod.netns)
  const old = connectTo(node, pod, other.netns)
  await waitFor('the first greeting', () => old.heard().includes(`peer ${other.ip}\n`))
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))

  node.writeNamespace(ambient)
  await waitFor('the pod to be enrolled', async () => (await node.state(pod)) === 'enrolled')
  await waitFor('the annotation', async () => (await node.annotationOf(pod)) === 'enabled')
  const [status] = (await node.status()).pods
  expect(status?.keptConnections).toEqual({
    count: 1,
    open: 1,
    names: [expect.stringMatching(new RegExp(`^${pod.ip}:8080 -> ${other.ip}:\\d+$`))],
  })
  expect(node.log()).toContain('connection stays outside the mesh until it closes')
  old.send('still here')
  await waitFor('an echo on the kept connection', () => old.heard().includes('still here'))

  const captured = connectTo(node, pod, other.netns)
  await waitFor('the greeting through the stand-in', () => captured.heard().includes(`peer ${other.ip}\n`))
  expect(ztunnel.events()).toContainEqual({
    kind: 'relay',
    port: 15_006,
    from: other.ip,
    to: `${pod.ip}:8080`,
  })

  const probe = connectTo(node, pod, node.name)
  await waitFor('a probe of the node to reach the app itself', () =>
    probe.heard().includes('peer 169.254.7.127\n'),
  )

  node.writeNamespace({})
  await waitFor('the pod to be draining', async () => (await node.state(pod)) === 'draining')
  expect(await node.annotationOf(pod)).toBeUndefined()
  captured.send('through the tunnel')
  await waitFor('an echo through the open tunnel', () => captured.heard().includes('through the tunnel'))
  const relays = ztunnel.events().filter(({ kind }) => kind === 'relay').length
  const direct = connectTo(node, pod, other.netns)
  await waitFor('a direct greeting', () => direct.heard().includes('peer'))
  expect(ztunnel.events().filter(({ kind }) => kind === 'relay')).toHaveLength(relays)
  expect(await node.state(pod)).toBe('draining')

  expect(captured.exited()).toBe(false)
  captured.close()
  await waitFor('the pod to have left', async () => (await node.state(pod)) === undefined)
  expect(allRules(pod.netns)).toBe(before)
  old.send(' and still')
  await waitFor('an echo on the oldest connection', () => old.heard().includes('and still'))
  expect(ztunnel.events().at(-1)).toEqual({ kind: 'del', uid: pod.uid })
})

test('a restarted agent changes nothing, and goes on where the last one was', async () => {
  node.writeNamespace(ambient)
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  const ztunnel = node.startZtunnel()
  const first = await node.startAgent()
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  await node.add(pod)
  await startEcho(node, pod)
  node.writePod(pod)
  await waitFor('the annotation', async () => (await node.annotationOf(pod)) === 'enabled')
  const client = connectTo(node, pod, (await addOutsider()).netns)
  await waitFor('a greeting', () => client.heard().includes('peer'))
  const rules = () =>
    inNetns(pod.netns, 'nft', '-a', 'list', 'ruleset').replaceAll(/packets \d+ bytes \d+/g, '')
  const before = {
    rules: rules(),
    host: node.exec('nft', '-a', 'list', 'ruleset').replaceAll(/packets \d+ bytes \d+/g, ''),
    sets: node.exec('ipset', 'save'),
    routing: allRules(pod.netns),
  }

  first.kill('SIGTERM')
  await waitFor('the agent to end', () => first.exitCode !== null)
  expect(rules()).toBe(before.rules)
  await node.startAgent()
  await waitFor(
    'ztunnel to come back',
    () => ztunnel.events().filter(({ kind }) => kind === 'snapshot-sent').length === 2,
  )
  await waitFor('the pod to be taken over', async () => (await node.state(pod)) === 'enrolled')
  const after = {
    rules: rules(),
    host: node.exec('nft', '-a', 'list', 'ruleset').replaceAll(/packets \d+ bytes \d+/g, ''),
    sets: node.exec('ipset', 'save'),
    routing: allRules(pod.netns),
  }
  expect(after).toEqual(before) // rule handles included: nothing was written again
  client.send('across the restart')
  await waitFor('an echo on the captured connection', () => client.heard().includes('across the restart'))
  expect(ztunnel.events().filter(({ kind }) => kind === 'del')).toEqual([])
  expect((await node.del(pod)).status).toBe(0)
})

test('an annotation alone is not believed: a pod without rules is enrolled again at the start of the agent', async () => {
  node.writeNamespace(ambient)
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  const ztunnel = node.startZtunnel()
  const first = await node.startAgent()
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  await node.add(pod)
  await startEcho(node, pod)
  node.writePod(pod)
  await waitFor('the annotation', async () => (await node.annotationOf(pod)) === 'enabled')
  first.kill('SIGKILL')
  await waitFor('the agent to end', () => first.signalCode !== null)
  inNetns(pod.netns, 'nft', 'flush', 'ruleset')
  await node.startAgent()
  await waitFor('the rules to be there again', () =>
    inNetns(pod.netns, 'iptables-save', '-t', 'nat').includes('--to-ports 15006'),
  )
  await waitFor('the pod to be enrolled', async () => (await node.state(pod)) === 'enrolled')
})

test('a running pod is pending while no ztunnel is there, and is enrolled when one comes', async () => {
  node.writeNamespace({})
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  await node.startAgent()
  await node.add(pod)
  await startEcho(node, pod)
  node.writePod(pod)
  node.writeNamespace(ambient)
  await waitFor('the pod to be pending', async () => (await node.annotationOf(pod)) === 'pending')
  expect((await node.status()).pods[0]?.cause).toContain('ZDS_NOT_CONNECTED')
  expect(inNetns(pod.netns, 'iptables-save')).not.toContain('ISTIO')
  node.startZtunnel()
  await waitFor('the pod to be enrolled', async () => (await node.annotationOf(pod)) === 'enabled')
})
