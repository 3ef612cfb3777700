import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { chooseProjects } from './choose-projects.ts'
import { type ProjectResult, type ProjectRun, runProject } from './run-project.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambient-run-'))
  mkdirSync(join(root, 'packages/x'), { recursive: true })
  symlinkSync(join(import.meta.dirname, '../../node_modules'), join(root, 'node_modules'))
})
afterEach(() => rmSync(root, { recursive: true }))

const usual = { files: [], environment: {}, allowSkip: false, limitMs: 60_000 } as const

function run(source: string, change: Partial<ProjectRun> = {}): Promise<ProjectResult> {
  if (source !== '')
    writeFileSync(join(root, 'packages/x/a.test.ts'), `import { expect, test } from 'vitest'\n${source}`)
  const { signal } = new AbortController()
  return runProject({ ...usual, root, project: 'packages/x', reports: root, signal, ...change })
}

test.each([
  {
    name: 'counts what passed and failed',
    source: "test('a', () => expect(1).toBe(1)); test('b', () => expect(1).toBe(2))",
    passed: 1,
    failed: 1,
  },
  {
    name: 'counts a file that cannot be loaded as failed',
    source: "throw new Error('no')",
    passed: 0,
    failed: 1,
  },
  {
    name: 'counts a process that dies as failed',
    source: "test('a', () => { process.kill(process.pid, 'SIGKILL') })",
    passed: 0,
    failed: 1,
  },
  {
    name: 'counts a skipped test as failed',
    source: "test('a', () => expect(1).toBe(1)); test.skip('b', () => {})",
    passed: 1,
    failed: 1,
  },
  { name: 'counts a project without tests as failed', source: '', passed: 0, failed: 1 },
])('runProject() $name', async ({ source, passed, failed }) => {
  expect(await run(source)).toMatchObject({ passed, failed })
})

test('runProject() ends a run that hangs, and says so', async () => {
  const result = await run("test('a', () => { for (;;) {} })", { limitMs: 3000 })
  expect(result.failed).toBeGreaterThan(0)
  expect(result.reasons.at(-1)).toContain('a test hangs')
})

test('runProject() leaves skipped tests out when the run allows it', async () => {
  const source = "test('a', () => expect(1).toBe(1)); test.skip('b', () => {})"
  expect(await run(source, { allowSkip: true })).toMatchObject({ passed: 1, failed: 0, skipped: 1 })
})

test('runProject() runs the files it is told, in the environment it is told', async () => {
  const source = "test('a', () => expect(process.env.LAB_REDIRECT).toBe('nftables'))"
  const environment = { LAB_REDIRECT: 'nftables' }
  expect(await run(source, { files: ['a.test'], environment })).toMatchObject({ passed: 1, failed: 0 })
  expect(await run(source, { files: ['b.test'], environment })).toMatchObject({ passed: 0, failed: 1 })
})

test('chooseProjects() takes a project by its name or its folder, in the given order', () => {
  const all = ['packages/tls', 'packages/hbone', 'apps/cni', 'e2e']
  expect(chooseProjects(all, [])).toEqual(all)
  expect(chooseProjects(all, ['cni', 'packages/tls', 'e2e'])).toEqual(['packages/tls', 'apps/cni', 'e2e'])
  expect(() => chooseProjects(all, ['bone'])).toThrow('no project is called bone')
})
