import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseSamples } from './sample.ts'

const NODE = [process.execPath, '--conditions=@ambient/source', '--disable-warning=ExperimentalWarning']
const MAIN = join(import.meta.dirname, 'main.ts')
let scratch: string

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'bench-cli-'))
})
afterAll(() => rmSync(scratch, { recursive: true }))

function bench(...args: readonly string[]): {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
} {
  const [program = '', ...flags] = NODE
  const env = { PATH: process.env['PATH'], TMPDIR: scratch }
  const { status, stdout, stderr } = spawnSync(program, [...flags, MAIN, ...args], { env, encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the bench measures ways to carry bytes beside a real mesh, writes every value, and leaves nothing', () => {
  requireRoot()
  const [out, baseline] = [join(scratch, 'out.jsonl'), join(scratch, 'baseline.jsonl')]
  const before = { case: 'bytes, 8 streams', round: 1, unit: 'MB/s', load: 0, foreign: 0 }
  const lines = [
    { ...before, contestant: 'no-mesh', value: 100 },
    { ...before, contestant: 'ours-iptables', value: 50 },
  ]
  writeFileSync(baseline, lines.map((line) => JSON.stringify(line)).join('\n'))
  const contestants = ['no-mesh', 'ours-iptables', 'envoy']
  const chosen = ['--only', contestants.join(','), '--baseline', baseline]
  const run = bench('bytes', '--rounds', '1', '--seconds', '0.05', '--out', out, ...chosen)
  expect(run.stderr).toContain(`1 rounds of 0.05 s each`)
  expect(run.status).toBe(0)
  const samples = parseSamples(readFileSync(out, 'utf8'))
  const rates = samples.filter((sample) => sample.case === 'bytes, 8 streams')
  expect(rates.map(({ contestant }) => contestant)).toEqual(contestants)
  for (const { value } of rates) expect(value).toBeGreaterThan(0)
  expect(run.stdout).toMatch(/^\| case .*ratio \/ baseline \|\n(\|.*\|\n)+\nbytes, 1 stream \(MB\/s\)\n/)
  expect(readdirSync(scratch).toSorted()).toEqual(['baseline.jsonl', 'out.jsonl'])
}, 240_000)

test('the bench measures idle connections in a lab of its own, through another node proxy as a file describes it', () => {
  requireRoot()
  const [out, proxy] = [join(scratch, 'memory.jsonl'), join(scratch, 'another.json')]
  const ztunnel = join(import.meta.dirname, '..', '..', 'apps', 'ztunnel', 'bin', 'ztunnel')
  writeFileSync(proxy, JSON.stringify({ name: 'another', command: ['/usr/bin/env', 'A=B', ztunnel] }))
  const chosen = ['--node-proxy', proxy, '--only', 'no-mesh,another']
  const run = bench('memory', '--rounds', '1', '--out', out, ...chosen)
  expect(run.stderr).toContain('1 rounds of 2 s each')
  expect(run.status).toBe(0)
  const samples = parseSamples(readFileSync(out, 'utf8'))
  expect(samples).toMatchObject([{ contestant: 'another', case: 'memory', unit: 'KB/connection' }])
}, 240_000)

test('the bench of the control plane sees every change at every node proxy, and ends what it started', () => {
  requireRoot()
  const out = join(scratch, 'istiod.jsonl')
  const run = bench('istiod', '--rounds', '1', '--seconds', '0.1', '--only', '2000-pods', '--out', out)
  expect(run.stderr).toContain('1 rounds of 0.1 s each')
  expect(run.status).toBe(0)
  const values = new Map(parseSamples(readFileSync(out, 'utf8')).map((sample) => [sample.case, sample.value]))
  expect(values.get('one change: to a proxy, p99')).toBeGreaterThan(0)
  expect(values.get('memory at its peak')).toBeGreaterThan(0)
  expect(values.get('100 changes/s: to a proxy, p99')).toBeGreaterThan(0)
}, 120_000)

test('the bench names its cases when it is asked for another, before it starts anything', () => {
  expect(bench('speed')).toEqual({
    status: 2,
    stdout: '',
    stderr:
      'bench: there is no case "speed", take one of: bytes, connections, round-trips, fairness, dns, memory, enrol, istiod, race\n',
  })
})

test('the bench names its contestants when it is asked for another', () => {
  const proxy = join(scratch, 'proxy.json')
  writeFileSync(proxy, '{"name": "theirs", "command": ["ztunnel"]}')
  const { status, stderr } = bench('bytes', '--node-proxy', proxy, '--only', 'other')
  expect(stderr).toBe(
    'bench: there is no contestant "other", take of: no-mesh, ours-iptables, ours-nftables, nginx, haproxy, envoy, theirs\n',
  )
  expect(status).toBe(2)
})

test('the bench says in one line that a baseline cannot be read', () => {
  const { status, stderr } = bench('bytes', '--baseline', join(scratch, 'none'))
  expect(stderr).toMatch(/^bench: .*no such file or directory.*\n$/)
  expect(status).toBe(1)
})

test('the bench explains itself to any user', () => {
  const { status, stdout } = spawnSync(
    'setpriv',
    ['--reuid=65534', '--clear-groups', ...NODE, MAIN, '--help'],
    { encoding: 'utf8' },
  )
  expect(stdout).toMatch(/^Usage: npm run bench -- NAME/)
  expect(status).toBe(0)
})
