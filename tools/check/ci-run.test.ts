import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambient-ci-'))
  mkdirSync(join(root, '.ci'))
  mkdirSync(join(root, 'bin'))
  copyFileSync(join(import.meta.dirname, '../../.ci/run'), join(root, '.ci/run'))
})
afterEach(() => rmSync(root, { recursive: true }))

interface Machine {
  /** Shell text in place of each command. */
  readonly setUp?: string
  readonly check?: string
  readonly demo?: string
  readonly ways?: string
  readonly h2spec?: string
  readonly cluster?: string
  readonly powerCut?: string
}

function ciRun({
  setUp = 'true',
  check = "echo '40 passed, 0 failed'",
  demo = 'true',
  ways = "echo '2 passed, 0 failed'",
  h2spec = "echo '7 passed, 0 failed'",
  cluster = "echo '7 passed, 0 failed'",
  powerCut = "echo '5 passed, 0 failed'",
}: Machine): {
  readonly status: number | null
  readonly lastLine: string | undefined
} {
  place('node', setUp)
  // Of two that fit the first is taken: the tests of other ways name e2e as well.
  const scripts = { check, demo, h2spec, test: ways, e2e: cluster, 'power-cut': powerCut }
  const cases = Object.entries(scripts).map(([name, script]) => `*${name}*) ${script} ;;`)
  place('npm', `case "$*" in ${cases.join(' ')} esac`)
  const { status, stdout } = spawnSync(join(root, '.ci/run'), {
    encoding: 'utf8',
    env: { PATH: `${join(root, 'bin')}:${process.env['PATH']}` },
  })
  return { status, lastLine: stdout.trimEnd().split('\n').at(-1) }
}

function place(name: string, script: string): void {
  writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(root, 'bin', name), 0o755)
}

test('.ci/run ends with the count of set-up, every check and test, tests with memory checked, h2spec, the demo, both again by other ways, a cluster, and power cuts', () => {
  expect(ciRun({})).toEqual({ status: 0, lastLine: '74 passed, 0 failed' })
})

test('where no cluster can be, .ci/run counts nothing of it', () => {
  expect(ciRun({ cluster: "echo '0 passed, 0 failed'" })).toEqual({
    status: 0,
    lastLine: '67 passed, 0 failed',
  })
})

test.each<Machine & { readonly name: string; readonly lastLine: string }>([
  { name: 'the set-up fails', setUp: 'exit 1', lastLine: '0 passed, 1 failed' },
  { name: 'a check fails', check: "echo '39 passed, 2 failed'; exit 1", lastLine: '73 passed, 2 failed' },
  { name: 'the check dies without a count', check: 'exit 139', lastLine: '34 passed, 1 failed' },
  {
    name: 'the check ends badly after a good count',
    check: "echo '40 passed, 0 failed'; exit 1",
    lastLine: '74 passed, 1 failed',
  },
  {
    name: 'the count is not the last line',
    check: "echo '40 passed, 0 failed'; echo more",
    lastLine: '34 passed, 1 failed',
  },
  {
    name: 'a case of h2spec fails',
    h2spec: "echo '6 passed, 1 failed'; exit 1",
    lastLine: '73 passed, 1 failed',
  },
  { name: 'the demo fails', demo: 'exit 1', lastLine: '70 passed, 4 failed' },
  {
    name: 'a scenario fails by another way',
    ways: "echo '1 passed, 1 failed'; exit 1",
    lastLine: '70 passed, 4 failed',
  },
  {
    name: 'a suite on a cluster fails',
    cluster: "echo '6 passed, 1 failed'; exit 1",
    lastLine: '73 passed, 1 failed',
  },
  {
    name: 'no cluster can be had though the machine has what one is made with',
    cluster: "echo '0 passed, 1 failed'; exit 1",
    lastLine: '67 passed, 1 failed',
  },
  {
    name: 'a power cut is not survived',
    powerCut: "echo '4 passed, 1 failed'; exit 1",
    lastLine: '73 passed, 1 failed',
  },
])('.ci/run fails when $name', ({ lastLine, ...machine }) => {
  expect(ciRun(machine)).toEqual({ status: 1, lastLine })
})
