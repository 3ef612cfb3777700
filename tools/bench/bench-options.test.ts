import { expect, test } from 'vitest'
import { parseBenchOptions } from './bench-options.ts'

const choice = { cases: ['bytes', 'connections'], contestants: ['no-mesh', 'ours'] }
const defaults = {
  name: 'bytes',
  rounds: 5,
  seconds: 2,
  contestants: ['no-mesh', 'ours'],
  baseline: undefined,
  out: undefined,
}

test.each([
  { args: ['bytes'], options: defaults },
  { args: ['bytes', '--rounds', '12'], options: { ...defaults, rounds: 12 } },
  { args: ['--seconds', '0.25', 'bytes'], options: { ...defaults, seconds: 0.25 } },
  { args: ['bytes', '--only', 'ours'], options: { ...defaults, contestants: ['ours'] } },
  { args: ['bytes', '--only', 'ours', '--only', 'no-mesh'], options: defaults },
  { args: ['bytes', '--only', 'ours,no-mesh'], options: defaults },
  {
    args: ['bytes', '--baseline', 'a.jsonl', '--out', 'b.jsonl'],
    options: { ...defaults, baseline: 'a.jsonl', out: 'b.jsonl' },
  },
])('parseBenchOptions() reads $args', ({ args, options }) =>
  expect(parseBenchOptions(args, choice)).toEqual({ kind: 'run', options }),
)

test.each([
  { args: [], line: 'name a case, one of: bytes, connections' },
  { args: ['speed'], line: 'there is no case "speed", take one of: bytes, connections' },
  { args: ['bytes', 'connections'], line: 'one case at a time, "connections" is too much' },
  { args: ['bytes', '--only', 'theirs'], line: 'there is no contestant "theirs", take of: no-mesh, ours' },
  { args: ['bytes', '--rounds', '0'], line: '--rounds must be a number above 0, not "0"' },
  { args: ['bytes', '--rounds', 'many'], line: '--rounds must be a number above 0, not "many"' },
  { args: ['bytes', '--seconds', '0.0'], line: '--seconds must be a number above 0, not "0.0"' },
])('parseBenchOptions() refuses $args', ({ args, line }) =>
  expect(parseBenchOptions(args, choice)).toEqual({ kind: 'refuse', line }),
)

test('parseBenchOptions() refuses what it does not know, and lets --help win', () => {
  expect(parseBenchOptions(['bytes', '--fast'], choice)).toMatchObject({ kind: 'refuse' })
  expect(parseBenchOptions(['speed', '--help'], choice)).toEqual({ kind: 'help' })
})
