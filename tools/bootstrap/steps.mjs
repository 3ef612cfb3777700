import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { timed, say } from './progress.mjs'
import { checkInterrupted } from './run-command.mjs'

const LOCK_POLL_MS = 200

/**
 * @typedef {object} Step
 * @property {string} name File name of its stamp.
 * @property {string} title What a person reads.
 * @property {string} key Of everything that the result depends on.
 * @property {boolean} isThere Whether the result lies there at all.
 * @property {() => Promise<string>} work Returns what it came to.
 */

/**
 * Runs a step unless its stamp says that it was done for the same inputs. The stamp is written last, so that an
 * interrupted step is done again.
 *
 * @param {string} toolchain
 * @param {Step} step
 */
export async function runStep(toolchain, { name, title, key, isThere, work }) {
  if (isThere && isStamped(toolchain, name, key)) return
  checkInterrupted()
  const release = await lock(toolchain)
  try {
    if (isThere && isStamped(toolchain, name, key)) return // another set-up did it while we waited
    const stamp = join(toolchain, 'stamps', name)
    rmSync(stamp, { force: true })
    await timed(title, work, (result) => result)
    writeFileSync(`${stamp}.new`, key)
    renameSync(`${stamp}.new`, stamp)
  } finally {
    release()
  }
}

/** @param {string} toolchain @param {string} name @param {string} key */
function isStamped(toolchain, name, key) {
  const stamp = join(toolchain, 'stamps', name)
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === key
}

/**
 * One set-up at a time in one checkout; a lock whose owner is gone counts for nothing.
 *
 * @param {string} toolchain
 * @returns {Promise<() => void>}
 */
async function lock(toolchain) {
  mkdirSync(join(toolchain, 'stamps'), { recursive: true })
  const path = join(toolchain, 'lock')
  for (let isFirst = true; ; isFirst = false) {
    try {
      writeFileSync(path, `${process.pid}`, { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    const owner = ownerOf(path)
    if (owner !== undefined && !isAlive(owner)) rmSync(path, { force: true })
    else {
      if (isFirst) say(`waiting for the set-up of process ${owner ?? '?'} in the same checkout`)
      await sleep(LOCK_POLL_MS)
      checkInterrupted()
    }
  }
}

/** @param {string} path @returns {number | undefined} Undefined while it is being written or is gone. */
function ownerOf(path) {
  try {
    return Number.parseInt(readFileSync(path, 'utf8'), 10) || undefined
  } catch {
    return undefined // released between the two looks
  }
}

/** @param {number} pid */
function isAlive(pid) {
  return existsSync(`/proc/${pid}`)
}

/**
 * A hash of the names and contents of files; one that is missing counts as empty.
 *
 * @param {string} root
 * @param {readonly string[]} paths
 */
export function hashOf(root, paths) {
  const hash = createHash('sha256')
  for (const path of paths) {
    const file = join(root, path)
    hash.update(`${path}\0`).update(existsSync(file) ? readFileSync(file) : '')
  }
  return hash.digest('hex')
}

/** @param {string} root @param {string} folder */
export function filesIn(root, folder) {
  return existsSync(join(root, folder))
    ? readdirSync(join(root, folder))
        .toSorted()
        .map((name) => join(folder, name))
    : []
}
