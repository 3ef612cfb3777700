/** The chart and images that an upgrade comes from: those of the last commit on main that has a chart. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import type { ImageName } from './mesh-images.ts'

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** Checks it out into a folder, and builds its images there by its own tools. @throws {Error} with what did not go. */
export async function buildPrevious(root: string, folder: string, { hub, tag }: ImageName): Promise<void> {
  await must(root, ['git', 'worktree', 'add', '--detach', '--force', folder, previousCommit(root)])
  await must(folder, ['node', 'tools/bootstrap/bootstrap.mjs'])
  await must(folder, ['npm', 'run', '--silent', 'images', '--', '--hub', hub, '--tag', tag])
}

export async function removePrevious(root: string, folder: string): Promise<void> {
  await must(root, ['git', 'worktree', 'remove', '--force', folder])
}

/** Where main is, or, on main itself, where it was before. */
function previousCommit(root: string): string {
  const main = ['main', 'origin/main'].find((name) => git(root, 'rev-parse', '--verify', '-q', name) !== '')
  const head = git(root, 'rev-parse', 'HEAD')
  const shared = main === undefined ? head : git(root, 'merge-base', 'HEAD', main)
  const from = shared === head ? `${head}^` : shared
  if (git(root, 'ls-tree', from, 'charts/ambient') === '') throw new Error(`${from} has no chart`)
  return git(root, 'rev-parse', from)
}

function git(root: string, ...args: readonly string[]): string {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim()
}

async function must(cwd: string, [program, ...args]: readonly [string, ...string[]]): Promise<void> {
  const env = { ...process.env, DOCKER_BUILDKIT: process.env['DOCKER_BUILDKIT'] ?? '0' }
  await promisify(execFile)(program, args, { cwd, env, maxBuffer: MAX_OUTPUT_BYTES })
}
