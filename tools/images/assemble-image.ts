import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { imageClosure, type ImagePackage, readLockFile } from './image-closure.ts'

export interface ImageSpec {
  readonly name: string
  /** `apps/istiod`; its `Dockerfile` is built with a context that has the program in `app/`. */
  readonly folder: string
  /** Files of the folder that the image has besides `dist`, `bin` and `package.json`. */
  readonly extra?: readonly string[]
}

export const images: readonly ImageSpec[] = [
  { name: 'istiod', folder: 'apps/istiod' },
  { name: 'waypoint-controller', folder: 'apps/waypoint-controller' },
  { name: 'ztunnel', folder: 'apps/ztunnel' },
  { name: 'cni', folder: 'apps/cni', extra: ['plugin/dist/istio-cni'] },
]

/** In a pod the service account's files say everything; only kubeconfigs need it, and it is larger than all the rest. */
const LEFT_OUT: ReadonlySet<string> = new Set(['@kubernetes/client-node'])

/**
 * Lays the context of one image out: the built program, the packages it needs, a list of them, and the Dockerfile.
 *
 * @throws {Error} when something is not built.
 */
export function assembleImage(root: string, spec: ImageSpec, context: string): readonly ImagePackage[] {
  rmSync(context, { recursive: true, force: true })
  const app = join(context, 'app')
  mkdirSync(app, { recursive: true })
  const lock = readLockFile(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const packages = imageClosure(lock, spec.folder, LEFT_OUT)
  copyBuilt(root, spec.folder, join(app, spec.folder), ['bin', ...(spec.extra ?? [])])
  for (const each of packages) {
    if (each.isOurs) copyBuilt(root, each.from, join(app, each.to), [])
    else cpSync(join(root, each.from), join(app, each.to), { recursive: true, filter: isNeeded })
  }
  writeFileSync(
    join(app, 'sbom.json'),
    `${JSON.stringify(billOfMaterials(spec.name, packages), undefined, 2)}\n`,
  )
  cpSync(join(root, spec.folder, 'Dockerfile'), join(context, 'Dockerfile'))
  return packages
}

function copyBuilt(root: string, from: string, to: string, extra: readonly string[]): void {
  for (const part of ['package.json', 'dist', ...extra]) {
    const source = join(root, from, part)
    if (!existsSync(source)) throw new Error(`Cannot assemble ${from}: ${part} is missing, build it first`)
    cpSync(source, join(to, part), { recursive: true, filter: isNeeded })
  }
  // What a generator wrote is JavaScript already: the compiler leaves it where it is.
  const generated = join(root, from, 'src/generated')
  if (existsSync(generated))
    cpSync(generated, join(to, 'dist/generated'), { recursive: true, filter: isNeeded })
}

/** Declarations, source maps and nested packages (which come by their own paths) stay behind. */
function isNeeded(path: string): boolean {
  if (/\.(d\.ts|d\.mts|d\.cts|map|tsbuildinfo)$/.test(path)) return false
  return !/node_modules\/.*\/node_modules$/.test(path) && !path.endsWith('.test.js')
}

/** @see CycloneDX 1.5 */
function billOfMaterials(name: string, packages: readonly ImagePackage[]): object {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { type: 'application', name } },
    components: packages.map((each) => ({
      type: 'library',
      name: each.name,
      version: each.version,
      licenses: [{ expression: each.license }],
      purl: `pkg:npm/${each.name.replace('@', '%40')}@${each.version}`,
    })),
  }
}
