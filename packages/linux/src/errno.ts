import { CodedError } from '@ambient/lifecycle'
import ffi from 'node:ffi'

/** The error numbers this mesh looks at (Linux, x64 and arm64). */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EEXIST: 17,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EROFS: 30,
  EPIPE: 32,
  ENONET: 64,
  EPROTO: 71,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const

const names: ReadonlyMap<number, string> = new Map(Object.entries(Errno).map(([name, code]) => [code, name]))

// errno is per thread and so is this module instance: each worker evaluates it once on its own thread.
const errnoCell = new Int32Array(
  ffi.toArrayBuffer(
    new ffi.DynamicLibrary(null).getFunction('__errno_location', { arguments: [], return: 'pointer' })(),
    4,
    false,
  ),
)

/** The error number of the last failed call on this thread. Read it before any other foreign call. */
export function errno(): number {
  return errnoCell[0] ?? 0
}

/** Puts back what a check in between may have changed. */
export function restoreErrno(code: number): void {
  errnoCell[0] = code
}

/** `ECONNRESET` for 104; the number as text when it is not one we know. */
export function errnoName(code: number): string {
  return names.get(code) ?? `errno ${code}`
}

/** A system call that failed where failing is not an ordinary outcome. Its `code` is the name of `errno`, as in Node's own errors. */
export class SyscallError extends CodedError<string> {
  readonly errno: number

  constructor(call: string, code: number = errno()) {
    super(errnoName(code), `${call}: ${errnoName(code)}`)
    this.errno = code
  }
}

/**
 * Returns `result`, or throws with the errno of the call that produced it.
 *
 * @throws {SyscallError} when `result` is negative.
 */
export function check(result: number, call: string): number {
  if (result < 0) throw new SyscallError(call)
  return result
}
