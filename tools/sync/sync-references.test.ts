import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { planReferences } from './plan-references.ts'
import { readProjects } from './project.ts'
import { syncReferences } from './sync-references.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambient-sync-'))
  project('packages/base', '@ambient/base', {}, {})
  project('packages/kit', '@ambient/kit', { '@ambient/base': '0.0.0' }, {})
  project(
    'apps/app',
    '@ambient/app',
    { '@ambient/base': '0.0.0', yaml: '2.9.1' },
    { '@ambient/kit': '0.0.0' },
  )
})
afterEach(() => rmSync(root, { recursive: true }))

function place(path: string, value: object): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), JSON.stringify(value))
}

function project(folder: string, name: string, dependencies: object, devDependencies: object): void {
  place(`${folder}/package.json`, { name, dependencies, devDependencies })
  place(`${folder}/tsconfig.lib.json`, { extends: 'x', references: [] })
  place(`${folder}/tsconfig.spec.json`, { references: [{ path: './tsconfig.lib.json' }] })
}

function referencesOf(path: string): unknown {
  const config: unknown = JSON.parse(readFileSync(join(root, path), 'utf8'))
  return typeof config === 'object' && config !== null && 'references' in config
    ? config.references
    : undefined
}

test('syncReferences() gives source its dependencies and tests the development ones too', () => {
  const written = syncReferences(root, 'write')
  expect(written).toEqual([
    'packages/kit/tsconfig.lib.json',
    'packages/kit/tsconfig.spec.json',
    'apps/app/tsconfig.lib.json',
    'apps/app/tsconfig.spec.json',
  ])
  expect(referencesOf('apps/app/tsconfig.lib.json')).toEqual([
    { path: '../../packages/base/tsconfig.lib.json' },
  ])
  expect(referencesOf('apps/app/tsconfig.spec.json')).toEqual([
    { path: './tsconfig.lib.json' },
    { path: '../../packages/base/tsconfig.lib.json' },
    { path: '../../packages/kit/tsconfig.lib.json' },
  ])
  expect(syncReferences(root, 'check')).toEqual([])
})

test('syncReferences() keeps what else a tsconfig says', () => {
  syncReferences(root, 'write')
  expect(JSON.parse(readFileSync(join(root, 'apps/app/tsconfig.lib.json'), 'utf8'))).toMatchObject({
    extends: 'x',
  })
})

test('syncReferences() only names what differs when it checks', () => {
  expect(syncReferences(root, 'check')).toHaveLength(4)
  expect(referencesOf('apps/app/tsconfig.lib.json')).toEqual([])
})

test('planReferences() refuses a dependency on a project that is not there', () => {
  project('packages/lost', '@ambient/lost', { '@ambient/gone': '0.0.0' }, {})
  const projects = readProjects(root)
  const lost = projects.find(({ folder }) => folder === 'packages/lost')
  expect.assert(lost !== undefined)
  expect(() => planReferences(lost, projects)).toThrow('packages/lost/package.json names @ambient/gone')
})
