import { Arena, NULL } from './arena.ts'
import { check } from './errno.ts'
import { sys } from './syscalls.ts'

export interface FileLimit {
  readonly soft: number
  readonly hard: number
}

const RLIMIT_NOFILE = 7
const limits = new Arena(16)

/** How many descriptors this process may hold. */
export function fileLimit(): FileLimit {
  check(sys.prlimit(0, RLIMIT_NOFILE, NULL, limits.base), 'prlimit')
  return { soft: Number(limits.view.getBigUint64(0, true)), hard: Number(limits.view.getBigUint64(8, true)) }
}

/** Sets the soft limit only, so that it can be raised again. */
export function setFileLimit(soft: number): void {
  fileLimit()
  limits.view.setBigUint64(0, BigInt(soft), true)
  check(sys.prlimit(0, RLIMIT_NOFILE, limits.base, NULL), `prlimit ${soft}`)
}

/** Raises the soft limit to the hard one and returns what holds now. */
export function raiseFileLimit(): FileLimit {
  const { soft, hard } = fileLimit()
  if (soft < hard) setFileLimit(hard)
  return fileLimit()
}
