/** The programs that a test cluster needs, on PATH or where the workshop beside a checkout keeps them. */
import { existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'

const PROGRAMS = ['docker', 'kind', 'kubectl', 'helm'] as const

export interface ClusterTools {
  /** PATH with everything on it. */
  readonly path: string
  /** The image of a kind node; undefined lets kind choose its own. */
  readonly nodeImage: string | undefined
}

/**
 * Finds the programs, or builds them with the scripts beside the checkout where those are.
 *
 * @param root The checkout.
 * @param env `PATH`, `E2E_NODE_IMAGE`.
 * @throws {Error} one line that says what is missing.
 */
export function findTools(root: string, env: Readonly<Record<string, string | undefined>>): ClusterTools {
  const path = env['PATH'] ?? ''
  const wanting = whatIsMissing(root, path)
  if (wanting !== undefined) throw new Error(wanting)
  const hasPrograms = missingOn(path).length === 0
  if (hasPrograms && env['E2E_NODE_IMAGE'] !== undefined) return { path, nodeImage: env['E2E_NODE_IMAGE'] }
  const builder = builderOf(root)
  if (existsSync(builder)) return buildTools(builder, path, env)
  return { path, nodeImage: undefined }
}

/** @returns why this machine can have no cluster, whatever is tried; undefined when it has what one is made with. */
export function whatIsMissing(root: string, path: string): string | undefined {
  const missing = missingOn(path)
  if (missing.length === 0) return undefined
  if (!existsSync(builderOf(root))) return `needs ${missing.join(', ')} on PATH`
  return isOnPath('go', path) ? undefined : 'needs Go to build a kind node, and finds none on PATH'
}

function missingOn(path: string): readonly string[] {
  return PROGRAMS.filter((program) => !isOnPath(program, path))
}

function builderOf(root: string): string {
  return join(root, '..', 'shared', 'tools', 'kind-node-image', 'build.sh')
}

function buildTools(
  builder: string,
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): ClusterTools {
  const { status } = spawnSync(builder, [], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${builder} ended with ${status}`)
  const cache = env['KIND_NODE_IMAGE_CACHE'] ?? '/var/cache/ambient-kind'
  const found = [join(cache, 'bin'), path].join(delimiter)
  const missing = missingOn(found)
  if (missing.length > 0) throw new Error(`${builder} left no ${missing.join(', ')} behind`)
  return { path: found, nodeImage: env['E2E_NODE_IMAGE'] ?? newestNodeImage() }
}

function newestNodeImage(): string {
  const { stdout } = spawnSync('docker', ['images', 'kind-node', '--format', '{{.Repository}}:{{.Tag}}'], {
    encoding: 'utf8',
  })
  const [image] = stdout.trim().split('\n').filter(Boolean)
  if (image === undefined) throw new Error('there is no image kind-node')
  return image
}

function isOnPath(program: string, path: string): boolean {
  return path.split(delimiter).some((directory) => directory !== '' && existsSync(join(directory, program)))
}
