import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const tree = mkdtempSync(join(tmpdir(), 'ambient-boundaries-'))

/** Rule, the file that breaks it, what the file says. */
const forbidden: readonly (readonly [rule: string, file: string, source: string])[] = [
  ['layer-generated', 'packages/xds-proto/src/planted.ts', "import '@ambient/model'\n"],
  ['layer-base', 'packages/lifecycle/src/planted.ts', "import '@ambient/model'\n"],
  ['layer-domain', 'packages/policy/src/planted.ts', "import '@ambient/hbone'\n"],
  ['layer-system-linux', 'packages/linux/src/planted.ts', "import '@ambient/event-loop'\n"],
  ['layer-system-tls', 'packages/tls/src/planted.ts', "import '@ambient/model'\n"],
  ['layer-io-hbone', 'packages/hbone/src/planted.ts', "import '@ambient/zds'\n"],
  [
    'layer-io-kube',
    'packages/kube/src/planted.ts',
    "import type { name } from '@ambient/xds'\nexport type Planted = typeof name\n",
  ],
  ['layer-app-ztunnel', 'apps/ztunnel/src/planted.ts', "import '../../istiod/src/index.ts'\n"],
  ['no-app-import', 'packages/lab/src/planted.ts', "import '../../../apps/cni/src/index.ts'\n"],
  ['no-test-layer-in-product', 'packages/xds/src/planted.ts', "import '@ambient/testkit'\n"],
  ['no-test-file-in-source', 'packages/model/src/planted.ts', "import './some.test.ts'\n"],
  ['ffi-only-in-system', 'packages/zds/src/planted.ts', "import 'node:ffi'\n"],
  ['ffi-only-in-system', 'apps/cni/src/planted.ts', "await import('node:ffi')\n"],
  ['domain-has-no-io', 'packages/spiffe/src/planted.ts', "import 'node:fs/promises'\n"],
  ['domain-has-no-io', 'packages/collections/src/planted.ts', "import 'node:http2'\n"],
  ['no-streams-on-the-byte-path', 'packages/event-loop/src/planted.ts', "import 'node:stream/promises'\n"],
  ['no-deep-import', 'packages/ca/src/planted.ts', "import '../../model/src/other.ts'\n"],
  ['no-deep-import-from-outside', 'tools/planted.ts', "import '../packages/model/src/other.ts'\n"],
  ['no-unresolved', 'apps/istiod/src/planted.ts', "import './nowhere.ts'\n"],
]
const allowed: readonly (readonly [file: string, source: string])[] = [
  ['packages/model/src/other.ts', 'export const other = 1\n'],
  ['packages/model/src/some.test.ts', "import '@ambient/testkit'\nimport 'node:fs'\n"],
  ['packages/tls/src/allowed.ts', "import 'node:ffi'\nimport '@ambient/linux'\n"],
  ['packages/xds/src/allowed.ts', "import '@ambient/xds-proto'\nimport '@ambient/model'\n"],
  ['apps/istiod/src/allowed.ts', "import '@ambient/xds'\nimport '@ambient/policy'\nimport 'node:fs'\n"],
]

beforeAll(() => {
  copyFileSync(join(root, '.dependency-cruiser.mjs'), join(tree, '.dependency-cruiser.mjs'))
  for (const project of [...projectsIn('packages'), ...projectsIn('apps'), 'e2e', 'tools']) {
    plant(`${project}/src/index.ts`, `export const name = '${project}'\n`)
    copyFileSync(join(root, project, 'package.json'), join(tree, project, 'package.json'))
  }
  mkdirSync(join(tree, 'node_modules/@ambient'), { recursive: true })
  for (const project of projectsIn('packages'))
    symlinkSync(
      join('../..', project),
      join(tree, 'node_modules/@ambient', project.slice('packages/'.length)),
    )
  for (const [file, source] of allowed) plant(file, source)
})
afterAll(() => rmSync(tree, { recursive: true }))

test('boundaries.sh passes when every import goes down the layers', () => {
  expect(boundaries()).toMatchObject({ status: 0 })
})

test('boundaries.sh names each forbidden import that was planted, and nothing that is allowed', () => {
  for (const [, file, source] of forbidden) plant(file, source)
  const { status, stdout } = boundaries()
  expect(status).not.toBe(0)
  expect(forbidden.filter(([rule, file]) => !stdout.includes(`error ${rule}: ${file} →`))).toEqual([])
  expect(stdout).not.toMatch(/error [a-z-]+: \S+\/(index|other|allowed|some\.test)\.ts →/)
})

test('boundaries.sh refuses two files that import each other', () => {
  plant('packages/telemetry/src/hen.ts', "import './egg.ts'\n")
  plant('packages/telemetry/src/egg.ts', "import './hen.ts'\n")
  const { status, stdout } = boundaries()
  expect(status).not.toBe(0)
  expect(stdout).toMatch(/error no-cycle: packages\/telemetry\/src\/(hen|egg)\.ts/)
})

function boundaries(): { readonly status: number | null; readonly stdout: string } {
  return spawnSync(join(root, 'tools/check/boundaries.sh'), [tree], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  })
}

function projectsIn(folder: string): readonly string[] {
  return readdirSync(join(root, folder))
    .map((name) => `${folder}/${name}`)
    .filter((project) => existsSync(join(root, project, 'package.json')))
}

function plant(file: string, source: string): void {
  mkdirSync(dirname(join(tree, file)), { recursive: true })
  writeFileSync(join(tree, file), source)
}
