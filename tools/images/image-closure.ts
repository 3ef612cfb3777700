/** One entry of `packages` in the lock file. */
export interface LockEntry {
  readonly version?: string
  readonly license?: string
  /** A link to one of our own projects, with its folder. */
  readonly link?: boolean
  readonly resolved?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export type LockFile = Readonly<Record<string, LockEntry>>

/** @throws {Error} for what is no lock file of npm. */
export function readLockFile(text: string): LockFile {
  const value: unknown = JSON.parse(text)
  const packages = recordOf(recordOf(value)['packages'])
  return Object.fromEntries(
    Object.entries(packages).map(([path, entry]) => [path, readEntry(recordOf(entry))]),
  )
}

function readEntry(entry: Readonly<Record<string, unknown>>): LockEntry {
  const text = (name: string): Readonly<Record<string, string>> =>
    typeof entry[name] === 'string' ? { [name]: entry[name] } : {}
  const names = (name: string): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(recordOf(entry[name])).map(([key, version]) => [key, String(version)]))
  return {
    ...text('version'),
    ...text('license'),
    ...text('resolved'),
    link: entry['link'] === true,
    dependencies: names('dependencies'),
    optionalDependencies: names('optionalDependencies'),
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

/** One package that goes into an image. */
export interface ImagePackage {
  readonly name: string
  /** Where it lies in the checkout. */
  readonly from: string
  /** Where it lies below the image's root of the program. */
  readonly to: string
  readonly isOurs: boolean
  readonly version: string
  readonly license: string
}

/**
 * Everything that the program in `folder` needs at run time: our packages and everybody else's, found as Node finds
 * them, nothing that only tests or builds need. Pure.
 *
 * @param folder `apps/istiod`
 * @param leftOut Packages that the program does without in an image.
 * @throws {Error} naming what the lock file lacks.
 */
export function imageClosure(
  lock: LockFile,
  folder: string,
  leftOut: ReadonlySet<string> = new Set(),
): readonly ImagePackage[] {
  const found = new Map<string, ImagePackage>()
  const queue = wantedBy(lock, folder)
  for (let wanted = queue.shift(); wanted !== undefined; wanted = queue.shift()) {
    const { importer, name, isOptional } = wanted
    if (leftOut.has(name) || isTypesOnly(name)) continue
    const path = resolve(lock, importer, name)
    if (path === undefined && isOptional) continue
    if (path === undefined) throw new Error(`Cannot find ${name}, which ${importer} needs, in the lock file`)
    if (found.has(path)) continue
    const each = packageAt(lock, path, name)
    found.set(path, each)
    queue.push(...wantedBy(lock, each.from))
  }
  return [...found.values()].toSorted((a, b) => (a.to < b.to ? -1 : 1))
}

interface Wanted {
  readonly importer: string
  readonly name: string
  readonly isOptional: boolean
}

function wantedBy(lock: LockFile, importer: string): Wanted[] {
  const { dependencies = {}, optionalDependencies = {} } = lock[importer] ?? {}
  return [
    ...Object.keys(dependencies).map((name) => ({ importer, name, isOptional: false })),
    ...Object.keys(optionalDependencies).map((name) => ({ importer, name, isOptional: true })),
  ]
}

function packageAt(lock: LockFile, path: string, name: string): ImagePackage {
  const entry = lock[path] ?? {}
  const isOurs = entry.link === true
  const from = isOurs ? (entry.resolved ?? path) : path
  const { version = '0.0.0', license = 'unknown' } = isOurs ? (lock[from] ?? {}) : entry
  return { name, from, to: path, isOurs, version, license }
}

function isTypesOnly(name: string): boolean {
  return name.startsWith('@types/') || name === 'undici-types'
}

/** The nearest `node_modules` upwards that has `name`. */
function resolve(lock: LockFile, importer: string, name: string): string | undefined {
  for (let at = importer; ;) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`
    if (lock[path] !== undefined) return path
    if (at === '') return undefined
    const cut = at.lastIndexOf('/')
    at = cut < 0 ? '' : at.slice(0, cut)
  }
}
