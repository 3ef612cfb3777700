/** One case of `npm run check`. */
export interface Step {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
}

const FROM_SOURCE = ['--disable-warning=ExperimentalWarning', '--conditions=@ambient/source'] as const

/** Cheap ones first; what reads built packages after the build. Paths are relative to the root of the checkout. */
export const steps: readonly Step[] = [
  { name: 'compiler is TypeScript 7', command: ['tools/check/compiler.sh'] },
  { name: 'tracked files, shape of packages', command: ['tools/node', 'tools/check/tree.ts'] },
  { name: 'lock file is in sync', command: ['tools/check/lock.sh'] },
  { name: 'tsconfig references are in sync', command: ['tools/node', 'tools/sync/main.ts', '--check'] },
  { name: 'format', command: ['tools/check/format.sh'] },
  { name: 'imports keep to the layers', command: ['tools/check/boundaries.sh'] },
  { name: 'nothing unused', command: ['tools/node', 'node_modules/knip/bin/knip.js', '--no-config-hints'] },
  {
    name: 'generated pages are current',
    command: ['tools/node', ...FROM_SOURCE, 'tools/docs/main.ts', '--check'],
  },
  {
    name: 'custom resource definitions are current',
    command: ['tools/node', ...FROM_SOURCE, 'tools/crds/main.ts', '--check'],
  },
  { name: 'type check and build', command: ['tools/check/typecheck.sh'] },
  { name: 'shape of built packages', command: ['tools/check/publint.sh'] },
  { name: 'lint', command: ['tools/check/lint.sh'] },
]

/** Prints its own count as the last line, `N passed, N failed`; every test is a case. */
export const testRun: Step = {
  name: 'tests',
  command: ['tools/node', ...FROM_SOURCE, 'tools/test/main.ts', '--long'],
}
