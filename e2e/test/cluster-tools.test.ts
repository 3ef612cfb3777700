import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { whatIsMissing } from '../cluster/tools.ts'

let machine = ''
beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), 'ambient-tools-'))
  for (const folder of ['bin', 'main', 'shared/tools/kind-node-image'])
    mkdirSync(join(machine, folder), { recursive: true })
})
afterEach(() => rmSync(machine, { recursive: true }))

test.each([
  { what: 'all four programs', programs: ['docker', 'kind', 'kubectl', 'helm'], missing: undefined },
  { what: 'a workshop and Go', programs: ['go'], hasWorkshop: true, missing: undefined },
  { what: 'Go alone', programs: ['go'], missing: 'needs docker, kind, kubectl, helm on PATH' },
  { what: 'all but helm', programs: ['docker', 'kind', 'kubectl'], missing: 'needs helm on PATH' },
  {
    what: 'a workshop without Go',
    programs: ['docker'],
    hasWorkshop: true,
    missing: 'needs Go to build a kind node, and finds none on PATH',
  },
])('what a machine with $what lacks for a cluster', ({ programs, hasWorkshop = false, missing }) => {
  for (const program of programs) writeFileSync(join(machine, 'bin', program), '')
  if (hasWorkshop) writeFileSync(join(machine, 'shared/tools/kind-node-image/build.sh'), '')
  expect(whatIsMissing(join(machine, 'main'), join(machine, 'bin'))).toBe(missing)
})
