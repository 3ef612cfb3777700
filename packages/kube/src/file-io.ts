import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { errorText, type Clock } from '@ambient/lifecycle'
import { KubeError } from './kube-error.ts'
import { KUBE_LIMITS } from './limits.ts'

/** Where this mesh keeps what it writes, inside the directory whose other files are the user's. */
export interface WrittenPaths {
  readonly layers: string
  readonly identities: string
  readonly leases: string
  readonly scratch: string
}

const LOCK_RETRY_MS = 2

export function writtenPaths(directory: string): WrittenPaths {
  const root = join(directory, '.ambient')
  return {
    layers: join(root, 'written'),
    identities: join(root, 'identities'),
    leases: join(root, 'leases'),
    scratch: join(root, 'scratch'),
  }
}

/** @throws {KubeError} `DIRECTORY_UNUSABLE` */
export function makeWrittenPaths(paths: WrittenPaths): void {
  for (const path of [paths.layers, paths.identities, paths.leases, paths.scratch]) {
    try {
      mkdirSync(path, { recursive: true })
    } catch (cause) {
      const reason = errorText(cause)
      throw new KubeError(
        'DIRECTORY_UNUSABLE',
        `Cannot make ${path}, where written state is kept: ${reason}`,
        { cause },
      )
    }
  }
}

export function hasErrorCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code
}

/** @returns The text, or undefined when there is no such file. */
export function readTextIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (hasErrorCode(cause, 'ENOENT')) return undefined
    throw cause
  }
}

/** Readers see the old text or the new one, never a part. */
export function writeAtomically(paths: WrittenPaths, path: string, text: string): void {
  const scratch = join(paths.scratch, randomUUID())
  writeFileSync(scratch, text)
  renameSync(scratch, path)
}

export function removeFile(path: string): void {
  rmSync(path, { force: true })
}

/**
 * Runs `section` while no other process runs one of the same `name`. `section` is synchronous, so a lock is held for
 * microseconds; one older than a second belongs to a process that died inside it, and is broken.
 *
 * @throws {KubeError} `LOCK_TIMEOUT`
 */
export async function withFileLock<T>(
  lock: { readonly paths: WrittenPaths; readonly name: string; readonly clock: Clock },
  section: () => T,
): Promise<T> {
  const path = join(lock.paths.scratch, `${lock.name}.lock`)
  const until = lock.clock.monotonicMs() + KUBE_LIMITS.lockWaitMs.value
  while (!takeLock(path)) {
    breakStaleLock(path, lock)
    if (lock.clock.monotonicMs() > until)
      throw new KubeError('LOCK_TIMEOUT', `Cannot lock ${path}: another has it`)
    await lock.clock.sleep(LOCK_RETRY_MS)
  }
  try {
    return section()
  } finally {
    removeFile(path)
  }
}

function takeLock(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'))
    return true
  } catch (cause) {
    if (hasErrorCode(cause, 'EEXIST')) return false
    throw cause
  }
}

function breakStaleLock(path: string, lock: { readonly paths: WrittenPaths; readonly clock: Clock }): void {
  const grave = join(lock.paths.scratch, randomUUID())
  try {
    if (lock.clock.nowMs() - statSync(path).mtimeMs < KUBE_LIMITS.staleLockMs.value) return
    renameSync(path, grave) // of two that try, one succeeds
    removeFile(grave)
  } catch (cause) {
    if (!hasErrorCode(cause, 'ENOENT')) throw cause // given up or broken meanwhile
  }
}
