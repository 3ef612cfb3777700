import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ReconcilerWorld } from '../../test/reconciler-world.ts'
import { CniError } from '../cni-error.ts'
import type { RedirectState } from '../redirect/redirect-backend.ts'
import type { TcpConnection } from '../redirect/tcp-connections.ts'

let world: ReconcilerWorld
let before: ReturnType<typeof openDescriptors>
beforeEach(() => {
  before = openDescriptors()
  world = new ReconcilerWorld()
})
afterEach(async () => {
  await world.close()
  expect(leakedDescriptors(before)).toEqual([])
})

const tunnel: TcpConnection = {
  local: { ip: '127.0.0.1', port: 15_001 },
  remote: { ip: '10.0.0.2', port: 1 },
}

async function enrol(): Promise<void> {
  world.label('ambient')
  world.putPod({})
  await world.saw('annotate enabled')
}

test('PodReconciler enrols in the order that leaves no gap: listener, rules, host set, annotation', async () => {
  await enrol()
  expect(world.calls).toEqual([
    'reserve ports',
    'zds add',
    'apply to running pod',
    'probe set adds 10.0.0.2',
    'annotate enabled',
  ])
})

test('PodReconciler un-enrols in the order that ends no tunnel', async () => {
  await enrol()
  world.calls.length = 0
  world.table = [tunnel]
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  expect(world.calls).toEqual(['annotate nothing', 'stop redirecting', 'probe set removes 10.0.0.2'])
  world.nowMs = 20_000
  world.table = []
  await waitFor('the pod to be let go', () => world.state() === undefined)
  expect(world.calls.slice(3)).toEqual(['zds del', 'remove, ports were before'])
})

test('PodReconciler takes every pod out while the sign of an uninstallation is there, and back when it goes', async () => {
  await enrol()
  world.uninstall('added')
  await world.saw('annotate nothing')
  world.nowMs = 20_000
  await waitFor('the pod to be let go', () => world.state() === undefined)
  world.calls.length = 0
  world.uninstall('deleted')
  await world.saw('annotate enabled')
})

test('PodReconciler resets tunnels that are open after 30 s', async () => {
  await enrol()
  world.table = [tunnel]
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  world.nowMs = 29_999
  await world.reconciler.detach('another container')
  expect(world.state()).toBe('draining')
  world.nowMs = 30_000
  await world.saw('remove, ports were before')
  expect(world.calls.slice(-2)).toEqual(['zds del', 'remove, ports were before'])
})

test('PodReconciler takes a draining pod back when it is selected again', async () => {
  await enrol()
  world.table = [tunnel]
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  world.label('ambient')
  await waitFor(
    'the pod to be enrolled',
    () => world.state() === 'enrolled' && world.annotations.get('u1') === 'enabled',
  )
  expect(world.calls).not.toContain('zds del')
})

test('PodReconciler marks a pod as pending when ztunnel cannot take it, writes no rule, and tries again', async () => {
  world.failAdd = new CniError('ZDS_REFUSED', 'full')
  world.label('ambient')
  world.putPod({})
  await world.saw('annotate pending')
  expect(world.state()).toBe('pending')
  expect(world.calls).not.toContain('apply to running pod')
  world.failAdd = undefined
  world.reconciler.touchPending()
  await world.saw('annotate enabled')
})

test('PodReconciler gives up a pending pod that is not selected any more', async () => {
  world.canFind = false
  world.label('ambient')
  world.putPod({})
  await waitFor('the pod to be pending', () => world.state() === 'pending')
  world.label('none')
  await waitFor('the pod to be let go', () => world.state() === undefined)
  expect(world.calls).toEqual(['zds del'])
})

test('PodReconciler does no work in the netns of a deleted pod', async () => {
  await enrol()
  world.calls.length = 0
  world.deletePod()
  await waitFor('the pod to be forgotten', () => world.state() === undefined)
  expect(world.calls).toEqual(['probe set removes 10.0.0.2', 'zds del'])
})

test('PodReconciler forgets a finished pod by the address it had', async () => {
  await enrol()
  world.calls.length = 0
  world.putPod({ phase: 'Succeeded', ip: '' })
  await waitFor('the pod to be forgotten', () => world.state() === undefined)
  expect(world.calls).toEqual(['probe set removes 10.0.0.2', 'zds del'])
})

test('PodReconciler follows a changed address', async () => {
  await enrol()
  world.calls.length = 0
  world.putPod({ ip: '10.0.0.3' })
  await world.saw('probe set adds 10.0.0.3')
  expect(world.calls).toEqual(['probe set removes 10.0.0.2', 'probe set adds 10.0.0.3'])
})

test('PodReconciler enrols a new sandbox before the pod has an address, and lets go when the runtime takes it down', async () => {
  world.label('ambient')
  world.putPod({ ip: '' })
  const pod = await waitFor('the pod to be known', () => world.cluster.pod('u1'))
  const sandbox = { pod, netnsPath: '/run/netns/x', containerId: 'c1', ips: ['10.0.0.2'] }
  await world.reconciler.enrolNew(sandbox)
  await world.saw('annotate enabled')
  expect(world.calls).toContain('apply to new pod')
  await world.reconciler.detach('c0')
  expect(world.state()).toBe('enrolled')
  await world.reconciler.detach('c1')
  expect(world.state()).toBe('detached')
  expect(world.calls.slice(-2)).toEqual(['probe set removes 10.0.0.2', 'zds del'])
  await world.reconciler.enrolNew({ ...sandbox, containerId: 'c2' })
  expect(world.state()).toBe('enrolled')
})

test('PodReconciler lets go of a sandbox that is taken down while it is being made', async () => {
  world.label('ambient')
  world.putPod({ ip: '' })
  const pod = await waitFor('the pod to be known', () => world.cluster.pod('u1'))
  const made = world.reconciler.enrolNew({
    pod,
    netnsPath: '/run/netns/x',
    containerId: 'c1',
    ips: ['10.0.0.2'],
  })
  await world.reconciler.detach('c1')
  await made
  expect(world.state()).toBe('detached')
})

test('PodReconciler leaves nothing of a sandbox that could not be enrolled', async () => {
  world.failAdd = new CniError('ZDS_NOT_CONNECTED', 'nobody')
  world.label('ambient')
  world.putPod({ ip: '' })
  const pod = await waitFor('the pod to be known', () => world.cluster.pod('u1'))
  await expect(
    world.reconciler.enrolNew({ pod, netnsPath: '/run/netns/x', containerId: 'c1', ips: ['10.0.0.2'] }),
  ).rejects.toThrow('nobody')
  expect(world.calls).toEqual(['reserve ports', 'probe set removes 10.0.0.2', 'zds del'])
})

const broken: RedirectState = { kind: 'partial', missing: ['ipv4: nat'] }

test('PodReconciler.verify() leaves a whole pod alone, and writes rules again that somebody removed, without asking ztunnel', async () => {
  await enrol()
  world.calls.length = 0
  world.found = { kind: 'complete' }
  await world.reconciler.verify('u1')
  expect(world.calls).toEqual([])
  world.found = broken
  await world.reconciler.verify('u1')
  await world.saw('apply to enrolled pod')
  await waitFor('the pod to be whole', () => world.reconciler.pods.get('u1')?.areRulesWhole)
  expect(world.calls).toEqual(['apply to enrolled pod'])
  expect(world.state()).toBe('enrolled')
})

test('PodReconciler tries again to write rules until it can', async () => {
  await enrol()
  world.found = broken
  world.failApply = new CniError('RULES_FAILED', 'busy')
  world.calls.length = 0
  await world.reconciler.verify('u1')
  await waitFor('two attempts', () => world.calls.length === 2)
  expect(world.reconciler.pods.get('u1')).toMatchObject({ areRulesWhole: false, state: { kind: 'enrolled' } })
  world.failApply = undefined
  await waitFor('the pod to be whole', () => world.reconciler.pods.get('u1')?.areRulesWhole)
})

test('PodReconciler moves a pod from another backend: the new rules, then the old ones away; the record names both meanwhile', async () => {
  await enrol()
  world.calls.length = 0
  const held = world.reconciler.pods.get('u1')
  if (held === undefined) throw new Error('the pod is not held')
  world.reconciler.pods.put({ ...held, backends: ['iptables-legacy'] })
  world.failApply = new CniError('RULES_FAILED', 'busy')
  world.reconciler.touch('u1')
  await world.saw('apply to enrolled pod')
  await waitFor('the record to name both', () => world.backendsOnRecord().length === 2)
  expect(world.backendsOnRecord()).toEqual(['iptables-legacy', 'nftables'])
  world.failApply = undefined
  await world.saw('iptables-legacy: withdraw')
  await waitFor('the record to name the new one', () => world.backendsOnRecord().length === 1)
  expect(world.backendsOnRecord()).toEqual(['nftables'])
  expect(world.calls.slice(-2)).toEqual(['apply to enrolled pod', 'iptables-legacy: withdraw'])
})

const inbound: TcpConnection = {
  local: { ip: '10.0.0.2', port: 8080 },
  remote: { ip: '10.0.0.9', port: 40_000 },
}
const outbound: TcpConnection = {
  local: { ip: '10.0.0.2', port: 40_001 },
  remote: { ip: '10.0.0.9', port: 6379 },
}

test('PodReconciler resets what a pod took in plaintext and must not, once the rules are there, and keeps what it dialled', async () => {
  world.outside = [inbound, outbound]
  world.strictPorts.add(8080)
  await enrol()
  expect(world.calls).toContain('reset 10.0.0.2:8080 -> 10.0.0.9:40000')
  expect(world.calls.indexOf('apply to running pod')).toBeLessThan(
    world.calls.indexOf('reset 10.0.0.2:8080 -> 10.0.0.9:40000'),
  )
  expect(world.reconciler.pods.get('u1')?.kept).toEqual({
    count: 1,
    names: ['10.0.0.2:40001 -> 10.0.0.9:6379'],
  })
})

test('PodReconciler keeps connections where plaintext is taken, and resets them when it no longer is', async () => {
  world.outside = [inbound, outbound]
  await enrol()
  expect(world.reconciler.pods.get('u1')?.kept.count).toBe(2)
  world.calls.length = 0
  world.strictPorts.add(8080)
  world.reconciler.resetRefused()
  await waitFor('the connection to be reset', () => world.reconciler.pods.get('u1')?.kept.count === 1)
  expect(world.calls).toEqual(['reset 10.0.0.2:8080 -> 10.0.0.9:40000'])
})

test('PodReconciler un-enrols by every backend that may have rules in the pod', async () => {
  await enrol()
  const held = world.reconciler.pods.get('u1')
  if (held === undefined) throw new Error('the pod is not held')
  world.reconciler.pods.put({ ...held, backends: ['iptables-nft', 'nftables'] })
  world.calls.length = 0
  world.label('none')
  await waitFor('the pod to drain', () => world.state() === 'draining')
  world.nowMs = 20_000
  await waitFor('the pod to be let go', () => world.state() === undefined)
  expect(world.calls).toEqual([
    'annotate nothing',
    'iptables-nft: stop redirecting',
    'stop redirecting',
    'probe set removes 10.0.0.2',
    'zds del',
    'iptables-nft: remove, ports were before',
    'remove, ports were before',
  ])
})
