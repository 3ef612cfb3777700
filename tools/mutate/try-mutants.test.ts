import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { mutantsOf } from './make-mutants.ts'
import { tryMutants, tryUnchanged } from './try-mutants.ts'

const SOURCE = `export function clamp(n: number): number {
  while (n > 9) n--
  return n
}
`
const TEST = `import { expect, test } from 'vitest'
import { clamp } from './clamp.ts'
test.each([[12, 9]])('clamp() cuts', (n, expected) => expect(clamp(n)).toBe(expected))
`

test('tryMutants() tells which tests notice a change, one that never ends included, and changes no file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambient-mutants-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [file, tests] = [join(folder, 'clamp.ts'), [join(folder, 'clamp.test.ts')]]
  writeFileSync(file, SOURCE)
  writeFileSync(join(folder, 'clamp.test.ts'), TEST)
  const settings = { folder, tests, threads: 2, deadlineMs: 10_000 }
  expect(await tryUnchanged(settings)).toBeUndefined()
  const results = await tryMutants(mutantsOf(file, SOURCE), settings)
  const seen = results.map(({ mutant, killedBy }) => `${mutant.before} → ${mutant.after}: ${killedBy}`)
  expect(seen).toEqual([
    '> → >=: clamp() cuts',
    '> → <=: clamp() cuts',
    '9 → 10: clamp() cuts',
    'n-- → ;: nothing, for 10000 ms',
  ])
})
