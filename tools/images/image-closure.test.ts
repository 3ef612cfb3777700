import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { imageClosure, type LockFile, readLockFile } from './image-closure.ts'

const lock: LockFile = {
  'apps/a': { dependencies: { '@ambient/kube': '0.0.0', x: '1.0.0' } },
  'packages/kube': { version: '0.0.0', license: 'Apache-2.0', dependencies: { y: '1.0.0', big: '1.0.0' } },
  'node_modules/@ambient/kube': { link: true, resolved: 'packages/kube' },
  'node_modules/x': { version: '1.0.0', license: 'MIT', dependencies: { y: '2.0.0' } },
  'node_modules/x/node_modules/y': { version: '2.0.0', license: 'ISC', dependencies: { x: '1.0.0' } },
  'node_modules/y': { version: '1.0.0', license: 'MIT', optionalDependencies: { fsevents: '1.0.0' } },
  'node_modules/big': { version: '1.0.0' },
  'node_modules/vitest': { version: '5.0.0' },
}

test('imageClosure() finds what Node would, each once, nested versions in their places', () => {
  const found = imageClosure(lock, 'apps/a', new Set(['big']))
  expect(found.map(({ to, from, version }) => `${to} < ${from} ${version}`)).toEqual([
    'node_modules/@ambient/kube < packages/kube 0.0.0',
    'node_modules/x < node_modules/x 1.0.0',
    'node_modules/x/node_modules/y < node_modules/x/node_modules/y 2.0.0',
    'node_modules/y < node_modules/y 1.0.0',
  ])
})

test('imageClosure() names what the lock file lacks', () => {
  expect(() => imageClosure({ 'apps/a': { dependencies: { gone: '1.0.0' } } }, 'apps/a')).toThrow(
    'Cannot find gone, which apps/a needs',
  )
})

test('imageClosure() of the real programs brings nothing that only builds or tests need', () => {
  const packages = readLockFile(readFileSync(join(import.meta.dirname, '../../package-lock.json'), 'utf8'))
  for (const app of ['istiod', 'ztunnel', 'cni', 'waypoint-controller']) {
    const names = imageClosure(packages, `apps/${app}`).map(({ name }) => name)
    expect(names).toContain('@ambient/lifecycle')
    expect(
      names.filter((name) => /^(@ambient\/(testkit|lab|tools)|vitest|typescript|nx|oxlint)$/.test(name)),
    ).toEqual([])
  }
})
