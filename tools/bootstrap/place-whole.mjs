import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Fills a folder beside its place and moves it there, so that what lies in place is always whole.
 *
 * @template T
 * @param {string} toolchain @param {string} name
 * @param {(work: string) => Promise<T>} fill
 * @returns {Promise<T>} What `fill` returned.
 */
export async function placeWhole(toolchain, name, fill) {
  const place = join(toolchain, name)
  const work = `${place}.${process.pid}.new`
  removeLeftovers(toolchain, name)
  mkdirSync(work, { recursive: true })
  try {
    const result = await fill(work)
    const old = `${place}.${process.pid}.old`
    if (existsSync(place)) renameSync(place, old)
    renameSync(work, place)
    rmSync(old, { recursive: true, force: true })
    return result
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Of runs that were killed. @param {string} toolchain @param {string} name */
function removeLeftovers(toolchain, name) {
  if (!existsSync(toolchain)) return
  const leftover = new RegExp(`^${name}\\.\\d+(\\.(new|old))?$`)
  for (const file of readdirSync(toolchain)) {
    if (leftover.test(file)) rmSync(join(toolchain, file), { recursive: true, force: true })
  }
}
