/**
 * The C library through node:ffi: the only file that names system calls. Every pointer comes from an `Arena`;
 * a negative result is a failure, and `errno()` is read before any other foreign call.
 */
import ffi from 'node:ffi'

/** Plain functions over descriptors and addresses. They never throw; hot paths look at the number. */
export interface Syscalls {
  read(fd: number, buffer: bigint, length: number): number
  readv(fd: number, vectors: bigint, count: number): number
  write(fd: number, buffer: bigint, length: number): number
  writev(fd: number, vectors: bigint, count: number): number
  send(fd: number, buffer: bigint, length: number, flags: number): number
  sendto(
    fd: number,
    buffer: bigint,
    length: number,
    flags: number,
    address: bigint,
    addressLength: number,
  ): number
  recvfrom(
    fd: number,
    buffer: bigint,
    length: number,
    flags: number,
    address: bigint,
    addressLength: bigint,
  ): number
  sendmsg(fd: number, message: bigint, flags: number): number
  recvmsg(fd: number, message: bigint, flags: number): number
  splice(
    from: number,
    fromOffset: bigint,
    to: number,
    toOffset: bigint,
    length: number,
    flags: number,
  ): number
  close(fd: number): number
  dup(fd: number): number
  shutdown(fd: number, how: number): number
  socket(family: number, type: number, protocol: number): number
  socketpair(family: number, type: number, protocol: number, pair: bigint): number
  bind(fd: number, address: bigint, length: number): number
  listen(fd: number, backlog: number): number
  connect(fd: number, address: bigint, length: number): number
  accept4(fd: number, address: bigint, length: bigint, flags: number): number
  getsockname(fd: number, address: bigint, length: bigint): number
  getpeername(fd: number, address: bigint, length: bigint): number
  setsockopt(fd: number, level: number, name: number, value: bigint, length: number): number
  getsockopt(fd: number, level: number, name: number, value: bigint, length: bigint): number
  pipe2(ends: bigint, flags: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number, argument: bigint): number
  open(path: bigint, flags: number, mode: number): number
  setns(fd: number, kind: number): number
  unshare(kinds: number): number
  prlimit(pid: number, resource: number, limit: bigint, old: bigint): number
  eventfd(initial: number, flags: number): number
  epoll_create1(flags: number): number
  epoll_ctl(epoll: number, operation: number, fd: number, event: bigint): number
  epoll_wait(epoll: number, events: bigint, maxEvents: number, timeoutMs: number): number
  gettid(): number
  waitpid(pid: number, status: bigint, flags: number): number
  /** These return their error number. */
  posix_spawn(
    pid: bigint,
    path: bigint,
    actions: bigint,
    attributes: bigint,
    argv: bigint,
    environment: bigint,
  ): number
  posix_spawn_file_actions_init(actions: bigint): number
  posix_spawn_file_actions_adddup2(actions: bigint, from: number, to: number): number
  posix_spawn_file_actions_addchdir_np(actions: bigint, path: bigint): number
  posix_spawn_file_actions_destroy(actions: bigint): number
  posix_spawnattr_init(attributes: bigint): number
  posix_spawnattr_setflags(attributes: bigint, flags: number): number
  posix_spawnattr_setsigdefault(attributes: bigint, signals: bigint): number
  posix_spawnattr_setsigmask(attributes: bigint, signals: bigint): number
  posix_spawnattr_destroy(attributes: bigint): number
}

/** SHUT_WR of shutdown(2). */
export const SHUT_WR = 1
/** MSG_NOSIGNAL of send(2). */
export const MSG_NOSIGNAL = 0x4000
/** SPLICE_F_MOVE | SPLICE_F_NONBLOCK. */
export const SPLICE_NONBLOCK = 3

export const sys: Syscalls = new ffi.DynamicLibrary(null).getFunctions({
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
