import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One folder of the workspace, as its own files describe it. */
export interface Project {
  /** From the root of the checkout, e.g. `packages/hbone`. */
  readonly folder: string
  readonly manifest: Manifest
}

export interface Manifest {
  readonly name: string
  readonly description: string
  readonly license: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
  readonly nx: { readonly name: string; readonly tags: readonly string[] }
}

/** Every project of the checkout, packages first. */
export function readProjects(root: string): readonly Project[] {
  const folders = ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(root, parent))
      .toSorted()
      .map((name) => `${parent}/${name}`),
  )
  return [...folders, 'e2e', 'tools']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(join(root, folder, 'package.json')) }))
}

function readManifest(path: string): Manifest {
  const fields = recordOf(JSON.parse(readFileSync(path, 'utf8')))
  const nx = recordOf(fields['nx'])
  return {
    name: textOf(fields['name']),
    description: textOf(fields['description']),
    license: textOf(fields['license']),
    dependencies: textsOf(fields['dependencies']),
    devDependencies: textsOf(fields['devDependencies']),
    scripts: textsOf(fields['scripts']),
    nx: { name: textOf(nx['name']), tags: Array.isArray(nx['tags']) ? nx['tags'].map(textOf) : [] },
  }
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(recordOf(value)).map(([name, text]) => [name, textOf(text)]))
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}
