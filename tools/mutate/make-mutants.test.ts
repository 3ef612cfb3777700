import { expect, test } from 'vitest'
import { mutantsOf } from './make-mutants.ts'

test.each([
  { source: 'const a = b === c', mutants: ['=== → !=='] },
  { source: 'const a = b && !c', mutants: ['&& → ||', '!c → (c)'] },
  { source: 'const a = b ?? c', mutants: ['b ?? c → (b)', 'b ?? c → (c)'] },
  { source: 'if (a) b()', mutants: ['a → true', 'a → false', 'b() → ;'] },
  { source: 'const a = b ? c : d', mutants: ['b → true', 'b → false'] },
  { source: 'const a = b.some(c)', mutants: ['some → every'] },
  { source: 'const a = b.filter(c)', mutants: ['b.filter(c) → (b)'] },
  {
    source: "const a = ['', 'x', true, 1]",
    mutants: ["['', 'x', true, 1] → []", "'' → 'mutant'", "'x' → ''", 'true → false', '1 → 2'],
  },
  { source: "import a from 'b'\ntype C = 'd' | 1\ninterface E { f: 'g' }\nexport { a }", mutants: [] },
])('mutantsOf($source)', ({ source, mutants }) => {
  const made = mutantsOf('a.ts', source)
  expect(made.map(({ before, after }) => `${before} → ${after}`)).toEqual(mutants)
})

test('mutantsOf() changes one place of the whole file', () => {
  const made = mutantsOf('a.ts', 'const a = 1\nconst b = a < 2\n')
  expect(made.map(({ line, source }) => ({ line, source }))).toEqual([
    { line: 1, source: 'const a = 2\nconst b = a < 2\n' },
    { line: 2, source: 'const a = 1\nconst b = a <= 2\n' },
    { line: 2, source: 'const a = 1\nconst b = a >= 2\n' },
    { line: 2, source: 'const a = 1\nconst b = a < 3\n' },
  ])
})
