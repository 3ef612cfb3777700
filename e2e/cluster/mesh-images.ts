/** The images of this checkout, built and brought to the nodes. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

export interface ImageName {
  readonly hub: string
  readonly tag: string
}

/** @throws {Error} when one cannot be built; what docker says is on standard error. */
export function buildImages(root: string, { hub, tag }: ImageName): void {
  const { status } = spawnSync(
    process.execPath,
    [...process.execArgv, join(root, 'tools/images/main.ts'), '--hub', hub, '--tag', tag],
    { stdio: 'inherit', env: { ...process.env, DOCKER_BUILDKIT: process.env['DOCKER_BUILDKIT'] ?? '0' } },
  )
  if (status !== 0) throw new Error('the images could not be built')
}
