import { expect, test } from 'vitest'
import type { Manifest } from '../sync/project.ts'
import { checkFile, checkLock, checkProject } from './tree-rules.ts'

// In two parts each, so that this file passes the check itself.
const SILENCED = ['// oxlint', 'disable-next-line'].join('-')
const LATER = ['// TO', 'DO'].join('')

test.each([
  {
    name: 'a registry host',
    path: 'docs/a.md',
    text: ['see https://registry.npmjs', 'org/x'].join('.'),
    says: 'docs/a.md:1: names the package registry',
  },
  {
    name: 'a path of one machine',
    path: 'a.sh',
    text: ['\ncd /home', 'ann/mesh'].join('/'),
    says: 'a.sh:2: names a path of one machine',
  },
  {
    name: 'a name that says nothing',
    path: 'packages/x/src/utils.ts',
    text: '',
    says: 'put it where its word belongs',
  },
  {
    name: 'a folder that says nothing',
    path: 'packages/x/src/common/x.ts',
    text: '',
    says: 'put it where its word belongs',
  },
  {
    name: 'a silenced rule without a reason',
    path: 'a.ts',
    text: `${SILENCED} no-console`,
    says: 'without saying why',
  },
  {
    name: 'a to-do without an issue',
    path: 'a.ts',
    text: `${LATER} later`,
    says: 'without an issue number',
  },
])('checkFile() finds $name', ({ path, text, says }) => {
  expect(checkFile({ path, text }).join('\n')).toContain(says)
})

test.each([
  { path: 'packages/x/src/file-types.ts', text: 'export const a = 1' },
  { path: 'a.ts', text: `${SILENCED} no-console -- the one line a person waits for` },
  { path: 'a.ts', text: `${LATER} #12: the second queue` },
  { path: 'a.png', text: undefined },
])('checkFile() lets $path pass', ({ path, text }) => {
  expect(checkFile({ path, text })).toEqual([])
})

const manifest: Manifest = {
  name: '@ambient/x',
  description: 'A thing',
  license: 'Apache-2.0',
  dependencies: { yaml: '2.9.1' },
  devDependencies: {},
  scripts: { build: '', typecheck: '', test: '' },
  nx: { name: 'x', tags: ['layer:io'] },
}
const names = [
  'package.json',
  'tsconfig.json',
  'tsconfig.lib.json',
  'tsconfig.spec.json',
  'vitest.config.ts',
  'README.md',
  'src/index.ts',
]
const paths = new Set(names.map((name) => `packages/x/${name}`))

test('checkProject() lets a package of the usual shape pass', () => {
  expect(checkProject({ folder: 'packages/x', manifest }, paths)).toEqual([])
})

test.each([
  { change: { nx: { name: 'x', tags: [] } }, says: 'exactly one Nx tag' },
  { change: { dependencies: { yaml: '^2.9.1' } }, says: 'not one exact version' },
  { change: { scripts: {} }, says: 'needs the scripts' },
  { change: { license: '' }, says: 'is not under Apache-2.0' },
])('checkProject() says: $says', ({ change, says }) => {
  const found = checkProject({ folder: 'packages/x', manifest: { ...manifest, ...change } }, paths)
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(says)
})

test('checkProject() names a file that is missing', () => {
  const found = checkProject(
    { folder: 'packages/x', manifest },
    new Set([...paths].filter((path) => !path.endsWith('README.md'))),
  )
  expect(found).toEqual(['packages/x: README.md is missing'])
})

test('checkLock() wants a hash and no host', () => {
  const packages = {
    '': {},
    'packages/x': {},
    'node_modules/@ambient/x': { link: true, resolved: 'packages/x' },
    'node_modules/good': { integrity: 'sha512-x' },
    'node_modules/bare': {},
    'node_modules/hosted': { integrity: 'sha512-x', resolved: 'https://example.invalid/x.tgz' },
  }
  expect(checkLock(JSON.stringify({ packages }))).toEqual([
    'package-lock.json: node_modules/bare has no hash',
    'package-lock.json: node_modules/hosted names the host it came from',
  ])
})
