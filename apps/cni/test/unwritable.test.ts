/** Where a directory of the agent cannot be written, it says so, and nothing passes for done that was not. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { CniNode } from './cni-node.ts'
import { buildPlugin } from './run-plugin.ts'

requireRoot()
let node: CniNode
let numbers = 0

beforeAll(buildPlugin)
beforeEach(() => {
  node = new CniNode(`cw${process.pid}n${++numbers}`)
  node.writeNamespace({ 'istio.io/dataplane-mode': 'ambient' })
  for (const name of ['run', 'zds']) mkdirSync(join(node.directory, name))
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(node.log())
  await node.close()
})

/** With a directory of the node's as on a disk that is mounted read-only. */
function startAgentReadOnly(
  directory: string,
  environment: Readonly<Record<string, string>> = {},
): ChildProcess {
  const script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
  const words = ['unshare', '--mount', 'sh', '-c', script, directory, ...node.agentWords]
  return node.spawn(node.name, words, { ...node.agentEnvironment, ...environment })
}

test.each([
  { directory: 'run', what: 'its own' },
  { directory: 'zds', what: 'that of ztunnel’s socket' },
  { directory: 'config', what: 'a place for annotations in the given' },
])('the agent does not start without $what directory ($directory)', async ({ directory }) => {
  const path = join(node.directory, directory)
  const agent = startAgentReadOnly(path, { ZTUNNEL_UDS_ADDRESS: join(node.directory, 'zds', 'z.sock') })
  await waitFor('the agent to end', () => agent.exitCode ?? undefined, { deadlineMs: 60_000 })
  expect(agent.exitCode).toBe(2)
  const last = node.log().trim().split('\n').at(-1)
  expect(last).toMatch(/^istio-cni-agent: .*(?:EROFS|where written state is kept)/)
  expect(last).toContain(path)
})

test.each([
  { directory: 'net.d', metric: 'CREATE_CNI_CONFIG_FAILURE' },
  { directory: 'bin', metric: 'COPY_BINARIES_FAILURE' },
])(
  'the agent is not ready and counts why while it cannot write to $directory',
  async ({ directory, metric }) => {
    const path = join(node.directory, directory)
    startAgentReadOnly(path)
    node.startZtunnel()
    const ready = (): string => {
      try {
        return node.httpGet(8000, '/readyz')
      } catch {
        return '' // it does not listen yet
      }
    }
    await waitFor('the agent to say why', () => ready().includes('EROFS'), { deadlineMs: 60_000 })
    expect(ready()).toMatch(/^the plugin is not installed: .*EROFS.*\n503$/)
    expect(ready()).toContain(path)
    expect(node.httpGet(15_014, '/metrics')).toMatch(new RegExp(`${metric}"\\} [1-9]`))
  },
)

test('a record that cannot be written fails ADD, and the pod waits', async () => {
  const ztunnel = node.startZtunnel()
  await node.startAgent()
  await waitFor('ztunnel to connect', () => ztunnel.events().some(({ kind }) => kind === 'snapshot-sent'))
  rmSync(join(node.runDirectory, 'pods'), { recursive: true }) // root writes wherever a directory is
  const pod = node.newPod()
  node.writePod(pod, { phase: 'Pending' })
  const { status, stdout } = await node.add(pod)
  expect(status).not.toBe(0)
  expect(stdout).toContain('ENOENT')
})
