import { expect, test } from 'vitest'
import { planRun } from './plan-run.mjs'

test.each([
  { what: 'demo', args: [], isRoot: true, plan: { kind: 'run', file: 'e2e/demo/main.ts', os: 'required' } },
  {
    what: 'demo',
    args: ['--help'],
    isRoot: false,
    plan: { kind: 'run', file: 'e2e/demo/main.ts', os: 'none' },
  },
  { what: 'test', args: [], isRoot: true, plan: { kind: 'run', file: 'tools/test/main.ts', os: 'wanted' } },
  { what: 'test', args: [], isRoot: false, plan: { kind: 'run', file: 'tools/test/main.ts', os: 'none' } },
  {
    what: 'test',
    args: ['model'],
    isRoot: true,
    plan: { kind: 'run', file: 'tools/test/main.ts', os: 'none' },
  },
  { what: 'toString', args: [], isRoot: true, plan: { kind: 'refuse', exitCode: 2 } },
])('planRun() answers $what $args, root: $isRoot', ({ what, args, isRoot, plan }) => {
  expect(planRun(what, args, isRoot)).toMatchObject(plan)
})

test('planRun() refuses the demo to an ordinary user with the exact command', () => {
  expect(planRun('demo', ['--sabotage', 'leak'], false)).toEqual({
    kind: 'refuse',
    line: 'demo makes network namespaces and needs root, run: sudo env PATH="$PATH" npm run demo -- --sabotage leak',
    exitCode: 1,
  })
})
