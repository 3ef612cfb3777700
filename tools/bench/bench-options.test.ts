import { expect, test } from 'vitest'
import { chooseByName, parseBenchOptions } from './bench-options.ts'

const cases = ['bytes', 'connections']
const defaults = {
  name: 'bytes',
  rounds: 5,
  seconds: 2,
  only: [],
  nodeProxies: [],
  minutes: Infinity,
  quiet: Infinity,
  baseline: undefined,
  out: undefined,
}

test.each([
  { args: ['bytes'], options: defaults },
  { args: ['bytes', '--rounds', '12'], options: { ...defaults, rounds: 12 } },
  { args: ['--seconds', '0.25', 'bytes'], options: { ...defaults, seconds: 0.25 } },
  { args: ['bytes', '--only', 'a,b', '--only', 'c'], options: { ...defaults, only: ['a', 'b', 'c'] } },
  { args: ['bytes', '--node-proxy', 'a.json'], options: { ...defaults, nodeProxies: ['a.json'] } },
  { args: ['bytes', '--minutes', '15'], options: { ...defaults, minutes: 15 } },
  { args: ['bytes', '--quiet', '0.2'], options: { ...defaults, quiet: 0.2 } },
  {
    args: ['bytes', '--baseline', 'a.jsonl', '--out', 'b.jsonl'],
    options: { ...defaults, baseline: 'a.jsonl', out: 'b.jsonl' },
  },
])('parseBenchOptions() reads $args', ({ args, options }) =>
  expect(parseBenchOptions(args, cases)).toEqual({ kind: 'run', options }),
)

test.each([
  { args: [], line: 'name a case, one of: bytes, connections' },
  { args: ['speed'], line: 'there is no case "speed", take one of: bytes, connections' },
  { args: ['bytes', 'connections'], line: 'one case at a time, "connections" is too much' },
  { args: ['bytes', '--rounds', '0'], line: '--rounds must be a number above 0, not "0"' },
  { args: ['bytes', '--rounds', 'many'], line: '--rounds must be a number above 0, not "many"' },
  { args: ['bytes', '--seconds', '0.0'], line: '--seconds must be a number above 0, not "0.0"' },
])('parseBenchOptions() refuses $args', ({ args, line }) =>
  expect(parseBenchOptions(args, cases)).toEqual({ kind: 'refuse', line }),
)

test('parseBenchOptions() refuses what it does not know, and lets --help win', () => {
  expect(parseBenchOptions(['bytes', '--fast'], cases)).toMatchObject({ kind: 'refuse' })
  expect(parseBenchOptions(['speed', '--help'], cases)).toEqual({ kind: 'help' })
})

test('chooseByName() keeps the order of all, and names them for one that is nobody’s', () => {
  const all = [{ name: 'no-mesh' }, { name: 'ours' }, { name: 'theirs' }]
  expect(chooseByName(all, [])).toEqual(all)
  expect(chooseByName(all, ['theirs', 'no-mesh'])).toEqual([{ name: 'no-mesh' }, { name: 'theirs' }])
  expect(chooseByName(all, ['other'])).toBe('there is no contestant "other", take of: no-mesh, ours, theirs')
})
