import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { planReferences } from './plan-references.ts'
import { readProjects } from './project.ts'

export type SyncMode = 'check' | 'write'

/**
 * Brings the `references` of every tsconfig in line with the package.json beside it.
 *
 * @returns The files that differed, from the root of the checkout; with `check` they still do.
 */
export function syncReferences(root: string, mode: SyncMode): readonly string[] {
  const projects = readProjects(root)
  const stale: string[] = []
  for (const project of projects) {
    const plan = planReferences(project, projects)
    for (const [name, wanted] of Object.entries(plan.files)) {
      const path = join(root, plan.folder, name)
      if (!existsSync(path)) continue // a project with one tsconfig for all refers to nothing
      const config = new Map(Object.entries(readConfig(path)))
      const found = pathsOf(config.get('references'))
      if (
        isSame(
          found.map((reference) => posix.join(plan.folder, reference)),
          wanted.map((reference) => posix.join(plan.folder, reference)),
        )
      )
        continue
      stale.push(`${plan.folder}/${name}`)
      config.set(
        'references',
        wanted.map((reference) => ({ path: reference })),
      )
      if (mode === 'write') writeFileSync(path, `${JSON.stringify(Object.fromEntries(config), null, 2)}\n`)
    }
  }
  return stale
}

/** In any order: which comes first means nothing. */
function isSame(found: readonly string[], wanted: readonly string[]): boolean {
  return found.length === wanted.length && wanted.every((path) => found.includes(path))
}

function readConfig(path: string): object {
  const config: unknown = JSON.parse(readFileSync(path, 'utf8'))
  if (typeof config === 'object' && config !== null) return config
  throw new Error(`${path} is not a JSON object`)
}

function pathsOf(references: unknown): readonly string[] {
  if (!Array.isArray(references)) return []
  return references.map((reference: unknown) => {
    const path: unknown =
      typeof reference === 'object' && reference !== null && 'path' in reference ? reference.path : ''
    return typeof path === 'string' ? path : ''
  })
}
