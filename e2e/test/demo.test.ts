/** The demo as a newcomer runs it, and what the README says it prints. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tracesOf } from '@ambient/lab'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterAll, expect, test } from 'vitest'
import { chosenWay, wayOptions } from '../way.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const way = chosenWay()
const DEMO = [
  '--conditions=@ambient/source',
  join(ROOT, 'e2e/demo/main.ts'),
  ...(way === undefined ? [] : wayOptions(way)),
]
const LAB = ['--conditions=@ambient/source', join(ROOT, 'packages/lab/src/main.ts')]
const README = join(ROOT, 'README.md')
const LIMIT_S = 60
/** The block of the README between the demo's first and last line. */
const BLOCK = /^A lab: two nodes[^]*?nothing is left behind \(\d+ s\)$/m

/** Labs are found by their directories below the temporary one: with one of our own, others are not our business. */
const scratch = mkdtempSync(join(tmpdir(), 'demo-test-'))
const env = { PATH: process.env['PATH'], TMPDIR: scratch }
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

requireRoot()

function labIds(): readonly string[] {
  return readdirSync(scratch)
    .filter((name) => /^ambient-lab-\d/.test(name))
    .map((name) => name.slice('ambient-lab-'.length))
}

/** The same words for every run: addresses, counts and times differ, and with them the widths of columns. */
function shapeOf(text: string): string {
  return text
    .trim()
    .replaceAll(/[\d.:,]*\d/g, 'N')
    .replaceAll(/ +/g, ' ')
}

test(
  `npm run demo holds, takes under ${LIMIT_S} s, and prints what the README shows`,
  { timeout: 120_000 },
  () => {
    const startMs = performance.now()
    const { status, stdout } = spawnSync(process.execPath, DEMO, { encoding: 'utf8', timeout: 110_000 })
    const tookS = (performance.now() - startMs) / 1000
    expect({ status, stdout }).toMatchObject({ status: 0 })
    expect(tookS).toBeLessThan(LIMIT_S)
    if (way !== undefined) return // the README shows it as it is without options
    const readme = readFileSync(README, 'utf8')
    if (process.env['UPDATE_README'] === '1')
      writeFileSync(
        README,
        readme.replace(BLOCK, () => stdout.trim()),
      )
    const shown = BLOCK.exec(readFileSync(README, 'utf8'))?.[0] ?? 'the README shows no output'
    // UPDATE_README=1 writes what it prints now into the README.
    expect(shapeOf(shown)).toBe(shapeOf(stdout))
  },
)

test('Ctrl-C in the middle of the demo leaves nothing behind', { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, DEMO, { stdio: ['ignore', 'pipe', 'inherit'], env })
  const said: string[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  await waitFor('the demo to be inside the mesh', () => said.join('').includes('Inside the mesh'), {
    deadlineMs: 40_000,
  })
  const ids = labIds()
  expect(ids).toHaveLength(1)
  child.kill('SIGINT')
  await waitFor('the demo to end', () => child.signalCode ?? undefined, { deadlineMs: 15_000 })
  expect(child.signalCode).toBe('SIGINT')
  expect(labIds()).toEqual([])
  expect(ids.flatMap((id) => tracesOf(id))).toEqual([])
})

test('--keep leaves the lab up, says how to look around, and lab down ends it', { timeout: 120_000 }, () => {
  const run = (...args: readonly string[]) =>
    spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 110_000, env })
  const kept = run(...DEMO, '--keep')
  expect(kept.stdout.trimEnd().split('\n').at(-1)).toBe(
    'Look around with: npm run lab -- ps | exec POD CMD | logs APP | apply FILE | down',
  )
  expect(kept.status).toBe(0)
  expect(run(...LAB, 'ps').stdout).toMatch(/shop\/client +yes +Running +node1/)
  expect(run(...LAB, 'exec', 'shop/client', 'curl', '-sS', '-m', '5', 'http://web/').stdout).toContain(
    'seen from',
  )
  expect(run(...LAB, 'logs', 'istiod').stdout).toContain('serving')
  expect(run(...LAB, 'down').status).toBe(0)
  expect(labIds()).toEqual([])
})
