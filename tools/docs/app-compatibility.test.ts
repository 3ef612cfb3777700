import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readCompatibility, testProblem } from './app-compatibility.ts'

const root = join(import.meta.dirname, '..', '..')
const GOLDENS = 'apps/istiod/src/translate/goldens.test.ts'
const HERE = 'tools/docs/app-compatibility.test.ts'

test('readCompatibility() finds every table, and each supported row names a test that exists', async () => {
  const sections = await readCompatibility(root)
  const supported = sections.flatMap(({ entries }) => entries.filter(({ status }) => status === 'supported'))
  expect(sections.map(({ title }) => title)).toContain('ServiceEntry')
  expect(supported.length).toBeGreaterThan(50)
})

test.each<{ name: string; place: string; evidence: string; problem: string | undefined }>([
  {
    name: 'no fault with a golden case that has the field',
    place: 'spec.podIPs',
    evidence: golden('pods', 'pods'),
    problem: undefined,
  },
  {
    name: 'no fault with a title that stands in the file',
    place: 'a',
    evidence: `${HERE} › readCompatibility() finds every table, and each supported row names a test that exists`,
    problem: undefined,
  },
  {
    name: 'no fault with a row of a table test',
    place: 'a',
    evidence: `${HERE} › testProblem() finds no fault with a row of a table test`,
    problem: undefined,
  },
  {
    name: 'a golden case that is not there',
    place: 'a',
    evidence: golden('nope', 'nope'),
    problem: 'there is no golden case nope',
  },
  {
    name: 'a golden case without the field',
    place: 'spec.noSuchField',
    evidence: golden('pods', 'pods'),
    problem: 'golden case pods has no noSuchField in it',
  },
  {
    name: 'a file that is not there',
    place: 'a',
    evidence: 'nope.test.ts › a',
    problem: 'there is no test "nope.test.ts › a"',
  },
  {
    name: 'a title that is not there',
    place: 'a',
    evidence: `${HERE} › no such`,
    problem: `${HERE} has no test "no such"`,
  },
])('testProblem() finds $name', ({ place, evidence, problem }) => {
  expect(testProblem(root, { place, evidence })).toBe(problem)
})

function golden(from: string, to: string): string {
  return `${GOLDENS} › meshState() turns ${from}.in.yaml into ${to}.out.yaml`
}
