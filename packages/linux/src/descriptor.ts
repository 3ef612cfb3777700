import { withCString } from './arena.ts'
import { check } from './errno.ts'
import { sys } from './syscalls.ts'

const O_CLOEXEC = 0o2000000
const F_DUPFD_CLOEXEC = 1030

/** Closes `fd`. A number has one owner: take it out of every loop first, and forget it after. */
export function closeDescriptor(fd: number): void {
  sys.close(fd)
}

/** Opens `path` for reading, close-on-exec; the caller owns the result. */
export function openFile(path: string): number {
  return withCString(path, (text) => check(sys.open(text, O_CLOEXEC, 0), `open ${path}`))
}

/** A second descriptor of the same description, close-on-exec; the caller owns it. */
export function duplicateDescriptor(fd: number): number {
  return check(sys.fcntl(fd, F_DUPFD_CLOEXEC, 0), 'fcntl F_DUPFD_CLOEXEC')
}
