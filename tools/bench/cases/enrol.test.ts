import { expect, test } from 'vitest'
import { enrolmentTimes, percentiles } from './enrol.ts'

test('enrolmentTimes() finds those of one namespace, in order', () => {
  const line = (time: string, message: string, pod: string): string =>
    `2026-01-02T03:04:${time}Z\tinfo\tagent\t${message}\tpod="${pod}" uid="1"`
  const lines = [
    line('05.250000', 'pod enrolled', 'crowd/b'),
    line('05.000500', 'pod enrolled', 'crowd/a'),
    line('05.000000', 'pod enrolled', 'other/a'),
    line('05.000000', 'pod has left the mesh', 'crowd/a'),
    '',
  ]
  const base = Date.parse('2026-01-02T03:04:05Z')
  expect(enrolmentTimes(lines, 'crowd').map((time) => Math.floor(time - base))).toEqual([0, 250])
})

test('percentiles() are values that were measured', () => {
  const took = Array.from({ length: 200 }, (_, n) => 200 - n)
  expect(percentiles('x', took).map(({ value }) => value)).toEqual([100, 198])
  expect(percentiles('x', [7]).map(({ value }) => value)).toEqual([7, 7])
})
