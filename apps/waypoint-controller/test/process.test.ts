import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'

const PROGRAM = join(import.meta.dirname, '..', 'bin', 'waypoint-controller')

async function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(PROGRAM, args, { env: { PATH: process.env['PATH'] } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

test.each([
  { args: ['--help'], code: 0, says: 'Usage: waypoint-controller' },
  { args: [], code: 2, says: '--image is missing, and so is WAYPOINT_IMAGE' },
  { args: ['--image', 'x'], code: 2, says: '--config-dir is missing, and this is no pod' },
  { args: ['--image', 'x', '--config-dir', '/nowhere/at/all'], code: 2, says: '/nowhere/at/all' },
  { args: ['--image', 'x', '--config-dir', 'a', '--kubeconfig', 'b'], code: 2, says: 'are two sources' },
  { args: ['--imgae', 'x'], code: 2, says: "Unknown option '--imgae'" },
])('bin/waypoint-controller $args says $says', async ({ args, code, says }) => {
  const done = await run(args)
  expect(done).toMatchObject({ code })
  expect(done.output).toContain(says)
})

test('bin/waypoint-controller leads, and ends with 0 when it is told to', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'waypoints-'))
  const args = ['--image', 'x', '--config-dir', directory, '--listen', '127.0.0.1', '--monitoring-port', '0']
  const child = spawn(PROGRAM, args, { env: { PATH: process.env['PATH'] } })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await rm(directory, { recursive: true, maxRetries: 5 })
  })
  let output = ''
  child.stderr.on('data', (chunk) => (output += String(chunk)))
  const closed = once(child, 'close')
  await waitFor('it to lead', () => output.includes('leads'))
  child.kill('SIGTERM')
  expect(await closed).toEqual([0, null])
  expect(output).toContain('leads no more')
})
