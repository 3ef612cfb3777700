import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fuzz } from './fuzz.ts'
import { type FuzzTarget, fuzzTargets } from './fuzz-targets.ts'

const INPUTS = 1000

/** Over when so many inputs have been looked at. */
function after(inputs: number): () => boolean {
  let left = Math.ceil(inputs / 256)
  return () => left-- <= 0
}

test.each(fuzzTargets)('$name answers its corpus and a thousand inputs more', (target) => {
  const file = join(import.meta.dirname, 'corpus', `${target.name}.txt`)
  const corpus = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  const { failure, inputs } = fuzz(target, { corpus, seed: 7, isOver: after(INPUTS) })
  expect(failure).toBeUndefined()
  expect(inputs).toBeGreaterThanOrEqual(INPUTS)
})

test('fuzz() finds what a reader cannot read, and keeps inputs of a new kind', () => {
  const target: FuzzTarget = {
    name: 'two letters',
    seeds: [Buffer.from('xx')],
    read: (input) => {
      if (input[0] !== 0x41) return 'other'
      if (input[1] === 0x42) throw new Error('AB')
      return 'A'
    },
  }
  const { corpus, failure } = fuzz(target, { corpus: [], seed: 1, isOver: after(1_000_000) })
  expect(failure?.error).toContain('AB')
  expect(failure?.input).toMatch(/^4142/)
  expect(corpus).toHaveLength(1)
  expect(corpus[0]).toMatch(/^41/)
})
