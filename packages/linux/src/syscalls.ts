/**
 * The C library through node:ffi: the only file that names system calls. Every pointer comes from an `Arena`;
 * a negative result is a failure, and `errno()` is read before any other foreign call.
 */
import ffi from 'node:ffi'
import { checkedSyscalls } from './checked-syscalls.ts'
import { isMemoryDebugged } from './memory-misuse.ts'
import type { Syscalls } from './syscall-types.ts'

/** SHUT_WR of shutdown(2). */
export const SHUT_WR = 1
/** MSG_NOSIGNAL of send(2). */
export const MSG_NOSIGNAL = 0x4000
/** SPLICE_F_MOVE | SPLICE_F_NONBLOCK. */
export const SPLICE_NONBLOCK = 3

const functions: Syscalls = new ffi.DynamicLibrary(null).getFunctions({
  read: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  readv: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  write: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  writev: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  send: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  sendto: { arguments: ['i32', 'pointer', 'u32', 'i32', 'pointer', 'u32'], return: 'i32' },
  recvfrom: { arguments: ['i32', 'pointer', 'u32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  sendmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  recvmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  splice: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'u32', 'u32'], return: 'i32' },
  close: { arguments: ['i32'], return: 'i32' },
  dup: { arguments: ['i32'], return: 'i32' },
  shutdown: { arguments: ['i32', 'i32'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  socketpair: { arguments: ['i32', 'i32', 'i32', 'pointer'], return: 'i32' },
  bind: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  accept4: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  getsockname: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  getpeername: { arguments: ['i32', 'pointer', 'pointer'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'u32'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  pipe2: { arguments: ['pointer', 'i32'], return: 'i32' },
  fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  ioctl: { arguments: ['i32', 'u32', 'pointer'], return: 'i32' },
  open: { arguments: ['pointer', 'i32', 'i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
  unshare: { arguments: ['i32'], return: 'i32' },
  prlimit: { arguments: ['i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
  eventfd: { arguments: ['u32', 'i32'], return: 'i32' },
  epoll_create1: { arguments: ['i32'], return: 'i32' },
  epoll_ctl: { arguments: ['i32', 'i32', 'i32', 'pointer'], return: 'i32' },
  epoll_wait: { arguments: ['i32', 'pointer', 'i32', 'i32'], return: 'i32' },
  gettid: { arguments: [], return: 'i32' },
  waitpid: { arguments: ['i32', 'pointer', 'i32'], return: 'i32' },
  posix_spawn: {
    arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
    return: 'i32',
  },
  posix_spawn_file_actions_init: { arguments: ['pointer'], return: 'i32' },
  posix_spawn_file_actions_adddup2: { arguments: ['pointer', 'i32', 'i32'], return: 'i32' },
  posix_spawn_file_actions_addchdir_np: { arguments: ['pointer', 'pointer'], return: 'i32' },
  posix_spawn_file_actions_destroy: { arguments: ['pointer'], return: 'i32' },
  posix_spawnattr_init: { arguments: ['pointer'], return: 'i32' },
  posix_spawnattr_setflags: { arguments: ['pointer', 'i16'], return: 'i32' },
  posix_spawnattr_setsigdefault: { arguments: ['pointer', 'pointer'], return: 'i32' },
  posix_spawnattr_setsigmask: { arguments: ['pointer', 'pointer'], return: 'i32' },
  posix_spawnattr_destroy: { arguments: ['pointer'], return: 'i32' },
})

export const sys: Syscalls = isMemoryDebugged ? checkedSyscalls(functions) : functions
