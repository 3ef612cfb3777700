import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { meshFixture, subscribe } from './mesh-fixture.ts'

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

test('bin/istiod ends with status 0 on SIGTERM: streams are sent elsewhere, and nobody who says nothing holds it up', async () => {
  using fixture = await meshFixture()
  fixture.put('ns.yaml', '{apiVersion: v1, kind: Namespace, metadata: {name: shop}}')
  const { child, lines } = launch(fixture.args)
  try {
    const port = (name: string): Promise<string> =>
      waitFor(`the port ${name} in the log`, () => new RegExp(`${name}=(\\d+)`).exec(lines())?.[1])
    const [http, secure] = [await port('http'), Number(await port('secure'))]
    await waitFor('readiness', async () => (await fetch(`http://127.0.0.1:${http}/ready`)).ok)
    await using client = subscribe(
      { port: () => secure, rootPem: fixture.rootPem(), token: () => fixture.token() },
      fixture.logger,
    )
    await waitFor('the client to be synced', () => client.log.includes('synced Address'))
    const mute = connect(secure, '127.0.0.1')
    onTestFinished(() => void mute.destroy())
    await once(mute, 'connect')
    const startMs = performance.now()
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    process.stdout.write(`istiod ended ${(performance.now() - startMs).toFixed(0)} ms after SIGTERM\n`)
    await waitFor('the end of the stream', () => client.log.some((entry) => entry.startsWith('ended')))
    expect(client.log.find((entry) => entry.startsWith('ended'))).toBe('ended Reconnect')
    expect(lines()).toContain('stopping')
  } finally {
    child.kill('SIGKILL')
  }
})
