/** One case of `npm run check`. */
export interface Step {
  readonly name: string
  readonly command: readonly [program: string, ...args: string[]]
}

const FROM_SOURCE = ['--disable-warning=ExperimentalWarning', '--conditions=@ambient/source'] as const

/** Cheap ones first. Paths are relative to the root of the checkout. */
export const steps: readonly Step[] = [
  { name: 'no machine paths, no registry hosts', command: ['tools/check/clean-text.sh'] },
  { name: 'format', command: ['tools/check/format.sh'] },
  { name: 'imports keep to the layers', command: ['tools/check/boundaries.sh'] },
  {
    name: 'generated pages are current',
    command: ['tools/node', ...FROM_SOURCE, 'tools/docs/main.ts', '--check'],
  },
  { name: 'type check and build', command: ['tools/check/typecheck.sh'] },
  { name: 'lint', command: ['tools/check/lint.sh'] },
]

/** Prints its own count as the last line, `N passed, N failed`; every test is a case. */
export const testRun: Step = { name: 'tests', command: ['tools/node', ...FROM_SOURCE, 'tools/test/main.ts'] }
