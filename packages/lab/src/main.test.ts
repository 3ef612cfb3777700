import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tracesOf } from './lab-state.ts'

const NODE = [process.execPath, '--conditions=@ambient/source', '--disable-warning=ExperimentalWarning']
let scratch: string
let env: NodeJS.ProcessEnv

requireRoot()

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'lab-cli-'))
  env = { PATH: process.env['PATH'], TMPDIR: scratch } // its own temporary directory: other labs of this machine are not its business
})
afterAll(() => {
  lab('down')
  rmSync(scratch, { recursive: true })
})

function lab(...args: readonly string[]): {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
} {
  const [program = '', ...flags] = NODE
  const { status, stdout, stderr } = spawnSync(
    program,
    [...flags, join(import.meta.dirname, 'main.ts'), ...args],
    { env, encoding: 'utf8' },
  )
  return { status, stdout, stderr }
}

function manifest(name: string): string {
  const file = join(scratch, `${name}.yaml`)
  const container = `{name: main, command: [sh, -c, "echo this is ${name}; exec sleep infinity"]}`
  writeFileSync(
    file,
    `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop}, spec: {containers: [${container}]}}`,
  )
  return file
}

test('the command line leads through the life of a lab', () => {
  const up = lab('up', '--no-mesh', '--nodes', '1', manifest('first'))
  expect(up).toMatchObject({ status: 0, stderr: '' })
  const id = /^Lab (\S+) is up/.exec(up.stdout)?.[1] ?? ''
  expect(lab('ps').stdout).toMatch(
    /^POD +READY +PHASE +NODE +IP +MESH\nshop\/first +yes +Running +node1 +10\.244\.1\.\d+ +-\n$/,
  )
  expect(lab('exec', 'shop/first', '--', 'hostname')).toEqual({ status: 0, stdout: 'first\n', stderr: '' })
  expect(lab('exec', 'shop/first', 'sh', '-c', 'exit 7').status).toBe(7)
  expect(lab('exec', 'node1', 'hostname').stdout).toBe('node1\n')
  expect(lab('logs', 'shop/first').stdout).toBe('this is first\n')
  expect(lab('apply', manifest('second'))).toEqual({ status: 0, stdout: 'Pod second applied\n', stderr: '' })
  const none = lab('exec', 'shop/none', 'true')
  expect(none.stderr).toMatch(/^lab: There is no shop\/none in this lab, take one of: control node1 .*\n$/)
  expect(none.status).toBe(1)
  expect(lab('down')).toEqual({ status: 0, stdout: `Lab ${id} is down\n`, stderr: '' })
  expect(tracesOf(id)).toEqual([])
  expect(lab('ps')).toEqual({
    status: 1,
    stdout: '',
    stderr: 'lab: No lab is up, start one with: npm run lab -- up\n',
  })
}, 60_000)

test('the command line says in one line what is wrong with a manifest, and leaves no lab', () => {
  const file = join(scratch, 'bad.yaml')
  writeFileSync(file, '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}')
  const up = lab('up', '--no-mesh', '--nodes', '1', file)
  expect(up).toEqual({
    status: 1,
    stdout: '',
    stderr: 'lab: Cannot apply Deployment web: no kind that does something in a lab, or no name\n',
  })
  expect(lab('down').stdout).toBe('No lab is up\n')
})

test('the command line without root ends at once, with the command to run', () => {
  const { status, stderr } = spawnSync(
    'setpriv',
    ['--reuid=65534', '--clear-groups', ...NODE, join(import.meta.dirname, 'main.ts'), 'up'],
    { env, encoding: 'utf8' },
  )
  expect({ status, stderr }).toEqual({
    status: 3,
    stderr: 'lab: The lab makes network namespaces and needs root, run the same command with: sudo\n',
  })
})

test.each([
  [['help'], 0],
  [['--help'], 0],
  [['nonsense'], 2],
] as const)('the command line answers %s with its usage', (args, status) => {
  const result = lab(...args)
  expect(result.status).toBe(status)
  expect(result.stdout + result.stderr).toContain('Usage: npm run lab -- COMMAND')
})
