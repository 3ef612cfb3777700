import type { Project } from '../sync/project.ts'

/** A file of the tree; `text` is undefined for what is not text. */
export interface TreeFile {
  readonly path: string
  readonly text: string | undefined
}

// Each in two parts, so that this file does not break its own rule.
const HOSTS = [
  ['registry.npmjs', 'org'],
  ['registry.yarnpkg', 'com'],
  ['npm.pkg.github', 'com'],
  ['pypi', 'org'],
  ['deb.debian', 'org'],
  ['archive.ubuntu', 'com'],
  ['proxy.golang', 'org'],
].map((parts) => parts.join('.'))
const MACHINE_PATHS =
  /\/(?:work\/(?:main|shared)|tmp\/brief|home\/(?!kubernetes\/)[a-z][\w-]*|Users\/\w+)(?:\/|\b)/
const SHAPELESS_NAME = /(^|\/)(utils?|helpers?|common|misc|types)(\.[a-z.]+$|\/)/
const DISABLE = /\b(?:oxlint|eslint)-disable/
const DISABLE_WITH_REASON = /\b(?:oxlint|eslint)-disable(?:-next-line|-line)? [^\n]*? -- \S/
const LATER = /\b(?:TO[D]O|FIX[M]E)\b(?!\(#\d+\)| #\d+)/

/** What is wrong with one file, a line each. Pure. */
export function checkFile({ path, text }: TreeFile): readonly string[] {
  const named = SHAPELESS_NAME.test(path)
    ? [`${path}: put it where its word belongs, and name it after what it exports`]
    : []
  if (text === undefined) return named
  const isCode = /\.(ts|mjs|c|h)$/.test(path)
  return [
    ...named,
    ...text
      .split('\n')
      .flatMap((line, index) => checkLine(line, isCode).map((what) => `${path}:${index + 1}: ${what}`)),
  ]
}

function checkLine(line: string, isCode: boolean): readonly string[] {
  const found: string[] = []
  for (const host of HOSTS)
    if (line.includes(host))
      found.push(`names the package registry ${host}: take it from the settings of the machine`)
  if (MACHINE_PATHS.test(line)) found.push('names a path of one machine')
  if (!isCode) return found
  if (DISABLE.test(line) && !DISABLE_WITH_REASON.test(line))
    found.push('turns a lint rule off without saying why: add " -- " and the reason')
  if (LATER.test(line)) found.push('has a to-do without an issue number')
  return found
}

/** Every package has the same shape, so that knowing one is knowing all. Pure. */
export function checkProject({ folder, manifest }: Project, paths: ReadonlySet<string>): readonly string[] {
  const isTools = folder === 'tools' || folder === 'e2e'
  const wanted = ['package.json', 'tsconfig.json', 'vitest.config.ts']
  if (folder !== 'e2e') wanted.push('tsconfig.lib.json', 'tsconfig.spec.json') // it has one for all
  if (!isTools) wanted.push('README.md')
  if (folder.startsWith('packages/')) wanted.push('src/index.ts')
  if (folder.startsWith('apps/')) wanted.push('src/main.ts')
  const missing = wanted
    .filter((name) => !paths.has(`${folder}/${name}`))
    .map((name) => `${folder}: ${name} is missing`)
  const name = folder.split('/').at(-1)
  const facts: readonly (readonly [isWrong: boolean, what: string])[] = [
    [manifest.name !== `@ambient/${name}`, `is named ${manifest.name}, not @ambient/${name}`],
    [manifest.nx.name !== name, `is "${manifest.nx.name}" to Nx, not "${name}"`],
    [
      manifest.nx.tags.length !== 1 ||
        !/^layer:(generated|base|domain|system|io|app|test)$/.test(manifest.nx.tags[0] ?? ''),
      'needs exactly one Nx tag that names its layer',
    ],
    [manifest.license !== 'Apache-2.0', 'is not under Apache-2.0'],
    [manifest.description === '', 'does not say what it is'],
    [
      ['build', 'typecheck', 'test'].some((script) => manifest.scripts[script] === undefined),
      'needs the scripts build, typecheck and test',
    ],
  ]
  const loose = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).filter(
    ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
  )
  return [
    ...missing,
    ...facts.filter(([isWrong]) => isWrong).map(([, what]) => `${folder}/package.json: ${what}`),
    ...loose.map(
      ([dependency, version]) =>
        `${folder}/package.json: ${dependency} is "${version}", not one exact version`,
    ),
  ]
}

/** The lock file names hashes and no hosts. Pure. */
export function checkLock(text: string): readonly string[] {
  const packages = recordOf(recordOf(JSON.parse(text))['packages'])
  return Object.entries(packages).flatMap(([path, value]) => {
    const entry = recordOf(value)
    if (!path.includes('node_modules/') || entry['link'] === true) return []
    const resolved =
      typeof entry['resolved'] === 'string' ? [`package-lock.json: ${path} names the host it came from`] : []
    return typeof entry['integrity'] === 'string'
      ? resolved
      : [...resolved, `package-lock.json: ${path} has no hash`]
  })
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}
