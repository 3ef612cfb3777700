import { posix } from 'node:path'
import type { Project } from './project.ts'

const SCOPE = '@ambient/'

/** What one tsconfig file should refer to, by file name. */
export interface ReferencePlan {
  readonly folder: string
  readonly files: Readonly<Record<'tsconfig.lib.json' | 'tsconfig.spec.json', readonly string[]>>
}

/**
 * The references that follow from a project's dependencies: source sees `dependencies`, tests see `devDependencies` too.
 * Pure.
 *
 * @throws {Error} naming a dependency on a project that is not there.
 */
export function planReferences(project: Project, projects: readonly Project[]): ReferencePlan {
  const { dependencies, devDependencies } = project.manifest
  const lib = Object.keys(dependencies).filter(isOurs)
  const spec = [...new Set([...lib, ...Object.keys(devDependencies).filter(isOurs)])]
  const pathTo = (name: string): string => {
    const target = projects.find(({ manifest }) => manifest.name === name)
    if (target === undefined)
      throw new Error(`${project.folder}/package.json names ${name}, which is not there`)
    return posix.join(posix.relative(project.folder, target.folder), 'tsconfig.lib.json')
  }
  return {
    folder: project.folder,
    files: {
      'tsconfig.lib.json': lib.toSorted().map(pathTo),
      'tsconfig.spec.json': ['./tsconfig.lib.json', ...spec.toSorted().map(pathTo)],
    },
  }
}

function isOurs(name: string): boolean {
  return name.startsWith(SCOPE)
}
