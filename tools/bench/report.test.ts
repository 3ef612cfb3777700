import { expect, test } from 'vitest'
import { renderChart, renderMachineLoad, renderMatrix, renderTable, summarise } from './report.ts'
import { type BenchSample, parseRun, parseSamples } from './sample.ts'

function sample(contestant: string, round: number, value: number): BenchSample {
  return { case: 'bytes', contestant, round, value, unit: 'MB/s', load: 1, foreign: 0.5 }
}

test('summarise() gives medians, extremes and ratios to the first contestant', () => {
  const rows = summarise([
    sample('none', 1, 100),
    sample('mesh', 1, 40),
    sample('none', 2, 300),
    sample('mesh', 2, 60),
    sample('none', 3, 200),
    sample('mesh', 3, 50),
  ])
  expect(rows).toMatchObject([
    { contestant: 'none', median: 200, best: 300, worst: 100, ratio: 1, rounds: 3 },
    { contestant: 'mesh', median: 50, best: 60, worst: 40, ratio: 0.25 },
  ])
})

test('summarise() keeps the contestants of a case together', () => {
  const other = (contestant: string): BenchSample => ({ ...sample(contestant, 1, 1), case: 'connections' })
  const rows = summarise([sample('none', 1, 1), other('none'), sample('mesh', 1, 2), other('mesh')])
  expect(rows.map((row) => `${row.case} ${row.contestant}`)).toEqual([
    'bytes none',
    'bytes mesh',
    'connections none',
    'connections mesh',
  ])
})

test('summarise() calls the largest time the worst', () => {
  const time = (round: number, value: number): BenchSample => ({
    ...sample('none', round, value),
    unit: 'ms',
  })
  expect(summarise([time(1, 5), time(2, 9)])).toMatchObject([{ median: 7, best: 5, worst: 9 }])
})

test('summarise() compares ratios, not values, with a baseline from another machine', () => {
  const rows = summarise(
    [sample('none', 1, 100), sample('mesh', 1, 50)],
    [sample('none', 1, 1000), sample('mesh', 1, 250)],
  )
  expect(rows[1]?.toBaseline).toBe(2)
})

test('renderMatrix() has a row a case and a column a contestant', () => {
  const rows = summarise([
    sample('none', 1, 100),
    sample('none', 2, 300),
    sample('mesh', 1, 40),
    { ...sample('mesh', 1, 7), case: 'memory', unit: 'KB' },
  ])
  expect(renderMatrix(rows)).toBe(`| case | unit | none | mesh |
| --- | --- | --- | --- |
| bytes | MB/s | 200 (100 to 300) | 40.00 |
| memory | KB |  | 7.00 |`)
})

test('renderMachineLoad() tells median and extremes', () => {
  const busy = [1, 5, 2].map((load) => ({ ...sample('none', 1, 1), load, foreign: load / 10 }))
  expect(renderMachineLoad(busy)).toBe(
    'Load average when a measurement began: 2.00 (1.00 to 5.00); cores that others kept busy during one: 0.20 (0.10 to 0.50).',
  )
})

test('renderTable() and renderChart() show every contestant', () => {
  const rows = summarise([sample('none', 1, 100), sample('mesh', 1, 50)])
  expect(renderTable(rows).split('\n')).toHaveLength(4)
  expect(renderChart(rows)).toContain(`mesh ${'█'.repeat(20)} 50.00`)
})

test('parseSamples() reads back what was written', () => {
  const samples = [sample('none', 1, 1.5), sample('mesh', 1, 2)]
  expect(parseSamples(samples.map((s) => JSON.stringify(s)).join('\n') + '\n')).toEqual(samples)
})

test('parseRun() reads where values come from, and parseSamples() leaves that out', () => {
  const run = { machine: 'm1', command: 'npm run bench -- race', day: '2026-01-31' }
  const lines = [run, sample('none', 1, 1.5)]
  const text = lines.map((line) => JSON.stringify(line)).join('\n')
  expect(parseRun(text)).toEqual(run)
  expect(parseSamples(text)).toEqual([sample('none', 1, 1.5)])
  expect(parseRun(JSON.stringify(sample('none', 1, 1.5)))).toBeUndefined()
  expect(() => parseRun('{"machine":"m1"}')).toThrow('line 1: "command" must be text')
})

test.each([
  { line: '{', text: 'line 1: not JSON' },
  { line: '[]', text: '"case" must be text' },
  {
    line: '{"case":"a","contestant":"b","round":"1","value":1,"unit":"x","load":0,"foreign":0}',
    text: '"round" must be a number',
  },
])('parseSamples() says what is wrong with $line', ({ line, text }) =>
  expect(() => parseSamples(line)).toThrow(text),
)
