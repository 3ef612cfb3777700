import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { meshFixture } from './mesh-fixture.ts'

const bin = join(import.meta.dirname, '../bin/istiod')

function launch(args: readonly string[]): { readonly child: ChildProcess; readonly lines: () => string } {
  const child = spawn(bin, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, lines: () => text }
}

test.each([
  { name: 'prints its help', args: ['--help'], status: 0, out: /^Usage: istiod \[--config-dir DIR/ },
  { name: 'prints its version', args: ['--version'], status: 0, out: /^\d+\.\d+\.\d+\n$/ },
  {
    name: 'refuses a flag it does not know',
    args: ['--nope'],
    status: 2,
    out: /^istiod: Unknown option '--nope'.*\n$/,
  },
  {
    name: 'refuses a directory that is not there',
    args: ['--config-dir', '/nowhere', '--jwks', '/nowhere', '--state-dir', '/nowhere'],
    status: 2,
    out: /^istiod: Cannot read .*\n$/,
  },
])('bin/istiod $name', ({ args, status, out }) => {
  const ended = spawnSync(bin, args, { encoding: 'utf8' })
  expect(ended.stdout + ended.stderr).toMatch(out)
  expect(ended.status).toBe(status)
})

test('bin/istiod becomes ready and ends with status 0 within two seconds of SIGTERM', async () => {
  using fixture = await meshFixture()
  fixture.put('ns.yaml', '{apiVersion: v1, kind: Namespace, metadata: {name: shop}}')
  const { child, lines } = launch(fixture.args)
  try {
    const port = await waitFor('the ports in the log', () => /started.*http=(\d+)/.exec(lines())?.[1], {
      deadlineMs: 15_000,
    })
    await waitFor('readiness', async () => (await fetch(`http://127.0.0.1:${port}/ready`)).ok)
    const startMs = performance.now()
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(performance.now() - startMs).toBeLessThan(2_000)
    expect(lines()).toContain('stopping')
  } finally {
    child.kill('SIGKILL')
  }
})
