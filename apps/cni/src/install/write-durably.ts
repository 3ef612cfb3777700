import { randomUUID } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** No runtime takes a file of this name for a network, and no plugin is called so. */
const SCRATCH_PREFIX = 'istio-cni.tmp.'
/** Old enough to be nobody's who still writes. */
const STALE_MS = 60_000

/**
 * Readers see the old file or the new one, never a part; and after a power cut there is one of the two, since the content is
 * on the disk before the name points to it.
 */
export function writeDurably(path: string, content: string | Uint8Array, mode: number): void {
  const scratch = join(dirname(path), `${SCRATCH_PREFIX}${randomUUID()}`)
  try {
    const fd = openSync(scratch, 'wx', 0o600)
    try {
      writeFileSync(fd, content)
      fchmodSync(fd, mode)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(scratch, path)
  } catch (cause) {
    rmSync(scratch, { force: true })
    throw cause
  }
  syncDirectory(dirname(path))
}

/** Removes a file so that a power cut does not bring it back; one that is not there is no error. */
export function removeDurably(path: string): void {
  rmSync(path, { force: true })
  syncDirectory(dirname(path))
}

/** Removes what a writer left that ended between writing and renaming. */
export function sweepScratch(directory: string, nowMs: number): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(SCRATCH_PREFIX)) continue
    const path = join(directory, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat !== undefined && nowMs - stat.mtimeMs > STALE_MS) rmSync(path, { force: true })
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
