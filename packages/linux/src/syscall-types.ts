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
