/** Pods with `hostUsers: false`: their network belongs to a user namespace of their own. */
import { spawn } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CniNode, type TestPod } from './cni-node.ts'
import { inNetns, ip } from './node-rules.ts'
import { connectTo, startEcho } from './pod-programs.ts'
import { buildPlugin } from './run-plugin.ts'

requireRoot()
const ambient = { 'istio.io/dataplane-mode': 'ambient' }
let node: CniNode

beforeAll(buildPlugin)
beforeEach(() => {
  node = new CniNode(`cu${process.pid}`)
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(node.log())
  await node.close()
})

/** Gives the pod's name to a namespace that a user namespace below ours owns. */
async function giveUserNetns({ netns }: TestPod): Promise<void> {
  ip('netns', 'del', netns)
  const holder = spawn('unshare', ['--user', '--map-root-user', '--net', 'sleep', '60'], { stdio: 'ignore' })
  const own = readlinkSync('/proc/self/ns/net')
  await waitFor('the namespaces to be made', () => readlinkSync(`/proc/${holder.pid}/ns/net`) !== own)
  expect(readlinkSync(`/proc/${holder.pid}/ns/user`)).not.toBe(readlinkSync('/proc/self/ns/user'))
  ip('netns', 'attach', netns, String(holder.pid))
  holder.kill('SIGKILL')
}

test.each(['iptables', 'nftables'])(
  'a pod in a user namespace of its own is enrolled, captured and let go, by %s',
  async (mode) => {
    node.writeNamespace(ambient)
    const ztunnel = node.startZtunnel()
    await node.startAgent({ REDIRECT_MODE: mode })
    await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
    const pod = node.newPod()
    await giveUserNetns(pod)
    node.writePod(pod, { phase: 'Pending', spec: { hostUsers: false } })
    const added = await node.add(pod)
    expect(added).toMatchObject({ status: 0, stdout: added.before.trim() })
    expect(inNetns(pod.netns, 'cat', '/proc/sys/net/ipv4/ip_local_reserved_ports')).toContain('15001')
    await startEcho(node, pod)
    node.writePod(pod, { spec: { hostUsers: false } })
    await waitFor('the annotation', async () => (await node.annotationOf(pod)) === 'enabled')

    const outside = node.newPod()
    node.writePod(outside, { labels: { 'istio.io/dataplane-mode': 'none' } })
    expect((await node.add(outside)).status).toBe(0)
    const client = connectTo(node, pod, outside.netns)
    await waitFor('a greeting', () => client.heard().includes(`peer ${outside.ip}`))
    expect(ztunnel.events()).toContainEqual(
      expect.objectContaining({ kind: 'relay', port: 15_006, from: outside.ip }),
    )
    client.close()
    node.writeNamespace({})
    await waitFor('the pod to have left', async () => (await node.state(pod)) === undefined)
    expect(inNetns(pod.netns, 'nft', 'list', 'ruleset')).not.toContain('15006')
  },
)
