/** One entry of `packages` in the lock file. */
export interface LockEntry {
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
  /** A link to one of our own projects, with its folder. */
  readonly link?: boolean
  readonly resolved?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export type LockFile = Readonly<Record<string, LockEntry>>

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
  const visit = (importer: string, names: Iterable<string>, isOptional: boolean): void => {
    for (const name of names) {
      if (leftOut.has(name) || isTypesOnly(name)) continue
      const path = resolve(lock, importer, name)
      if (path === undefined) {
        if (isOptional) continue
        throw new Error(`Cannot find ${name}, which ${importer} needs, in the lock file`)
      }
      if (found.has(path)) continue
      const entry = lock[path] ?? {}
      const isOurs = entry.link === true
      const from = isOurs ? (entry.resolved ?? path) : path
      const real = isOurs ? (lock[from] ?? {}) : entry
      found.set(path, {
        name,
        from,
        to: path,
        isOurs,
        version: real.version ?? '0.0.0',
        license: real.license ?? 'unknown',
      })
      visit(from, Object.keys(real.dependencies ?? {}), false)
      visit(from, Object.keys(real.optionalDependencies ?? {}), true)
    }
  }
  visit(folder, Object.keys(lock[folder]?.dependencies ?? {}), false)
  return [...found.values()].toSorted((a, b) => (a.to < b.to ? -1 : 1))
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
