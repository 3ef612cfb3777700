import { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { closeDescriptor } from './descriptor.ts'
import { Errno, SyscallError } from './errno.ts'
import { type ExitStatus, startProgram, takeExitStatus } from './start-program.ts'

let before: ReadonlyMap<number, string>
beforeEach(() => {
  before = openDescriptors()
})
afterEach(async () => {
  await waitFor('descriptors to be closed', () => leakedDescriptors(before).length === 0)
})

interface Run {
  readonly status: ExitStatus | undefined
  readonly stdout: string
  readonly stderr: string
}

async function run(
  argv: readonly string[],
  {
    input = '',
    environment = {},
  }: { readonly input?: string; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<Run> {
  const started = startProgram({ path: argv[0] ?? '', argv, environment })
  if (started.kind === 'failed') throw new SyscallError('start', started.errno)
  const stdin = new Socket({ fd: started.stdin })
  stdin.on('error', () => {}) // it need not read
  stdin.end(input)
  const [stdout, stderr] = await Promise.all(
    [started.stdout, started.stderr].map((fd) => text(new Socket({ fd }))),
  )
  stdin.destroy()
  let status: ExitStatus | undefined
  await waitFor('the program to end', () => (status = takeExitStatus(started.pid)) !== undefined)
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' }
}

test('startProgram() gives words, environment and standard files, and starts in /', async () => {
  const script = 'cat; echo "$1 $A"; pwd; echo oh >&2; exit 3'
  const words = ['/bin/sh', '-c', script, 'sh', 'two words']
  expect(await run(words, { input: 'in\n', environment: { A: 'ü' } })).toEqual({
    status: { kind: 'exited', code: 3 },
    stdout: 'in\ntwo words ü\n/\n',
    stderr: 'oh\n',
  })
})

test('startProgram() carries more than a socket holds', async () => {
  const input = 'x'.repeat(4_000_000)
  expect((await run(['/bin/cat'], { input })).stdout.length).toBe(input.length)
})

test('a signal that we ignore or block does to the child what it does by default', async () => {
  // Node ignores SIGPIPE
  const { stdout } = await run(['/bin/grep', '-E', 'Sig(Ign|Blk)', '/proc/self/status'])
  expect(stdout.match(/[0-9a-f]{16}/g)).toEqual(['0000000000000000', '0000000000000000'])
})

test('takeExitStatus() names the signal of one that was killed', async () => {
  expect((await run(['/bin/sh', '-c', 'kill -9 $$'])).status).toEqual({
    kind: 'killed',
    signal: 9,
  })
})

test('takeExitStatus() gives a status once', async () => {
  const started = startProgram({ path: '/bin/true', argv: ['true'], environment: {} })
  if (started.kind === 'failed') throw new SyscallError('start', started.errno)
  for (const fd of [started.stdin, started.stdout, started.stderr]) closeDescriptor(fd)
  await waitFor('the program to end', () => takeExitStatus(started.pid) !== undefined)
  expect(() => takeExitStatus(started.pid)).toThrow('waitpid')
})

test('startProgram() says why a program cannot be run', () => {
  const missing = { path: '/nowhere/to/be/found', argv: ['found'], environment: {} }
  expect(startProgram(missing)).toEqual({ kind: 'failed', errno: Errno.ENOENT })
})
