/** Debug mode only: what each system call reads and writes, and which descriptors may still be used. */
import { addressOf, checkCalls, type ForeignCall, numberOf } from './checked-calls.ts'
import { errno, Errno } from './errno.ts'
import { pointerAt, type Span, type SpanUse } from './memory-map.ts'
import { endForMisuse, stackHere } from './memory-misuse.ts'
import type { Syscalls } from './syscall-types.ts'

type Spans = (call: ForeignCall) => readonly Span[]

const VECTOR_BYTES = 16
const MESSAGE_BYTES = 56
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16
const CTL_ADD = 1
const CTL_DEL = 2
/** What fails with EBADF by itself, and throws. */
const THROWING: ReadonlySet<string> = new Set(['fcntl', 'epoll_ctl', 'setns'])

const SPANS: Readonly<Record<string, Spans>> = {
  read: buffer('written', 1, 2),
  write: buffer('read', 1, 2),
  send: buffer('read', 1, 2),
  sendto: (call) => [span('read', call, [1, 2]), span('read', call, [4, 5])],
  recvfrom: (call) => [span('written', call, [1, 2]), ...addressSpans(call, 4, 5)],
  readv: (call) => vectorSpans('written', addressOf(call, 1), numberOf(call, 2)),
  writev: (call) => vectorSpans('read', addressOf(call, 1), numberOf(call, 2)),
  sendmsg: (call) => messageSpans('read', addressOf(call, 1)),
  recvmsg: (call) => messageSpans('written', addressOf(call, 1)),
  bind: buffer('read', 1, 2),
  connect: buffer('read', 1, 2),
  setsockopt: buffer('read', 3, 4),
  accept4: (call) => addressSpans(call, 1, 2),
  getsockname: (call) => addressSpans(call, 1, 2),
  getpeername: (call) => addressSpans(call, 1, 2),
  getsockopt: (call) => addressSpans(call, 3, 4),
  socketpair: (call) => fixed('written', addressOf(call, 3), 8),
  pipe2: (call) => fixed('written', addressOf(call, 0), 8),
  ioctl: (call) => fixed('written', addressOf(call, 2), 4),
  open: (call) => fixed('read', addressOf(call, 0), 1),
  prlimit: (call) => [...fixed('read', addressOf(call, 2), 16), ...fixed('written', addressOf(call, 3), 16)],
  waitpid: (call) => fixed('written', addressOf(call, 1), 4),
  posix_spawn: (call) => fixed('written', addressOf(call, 0), 4),
  epoll_ctl: (call) => fixed('read', addressOf(call, 3), EVENT_BYTES),
  epoll_wait: (call) => fixed('written', addressOf(call, 1), EVENT_BYTES * numberOf(call, 2)),
}
const F_GETFD = 1
/** Nobody is ever given such a number: who uses it wants to see what happens. */
const FEIGNED = 1_000_000
/** Calls whose first argument is no descriptor. */
const WITHOUT_DESCRIPTOR: ReadonlySet<string> = new Set([
  'socket',
  'socketpair',
  'pipe2',
  'open',
  'unshare',
  'prlimit',
  'eventfd',
  'epoll_create1',
  'gettid',
  'waitpid',
])

// Each thread has its own copy of the module, and its own loops.
const closedAt = new Map<number, Error>()
/** What is registered with each epoll descriptor of this thread. */
const registered = new Map<number, Set<number>>()

export function checkedSyscalls(functions: Syscalls): Syscalls {
  return checkCalls(functions, {
    spans: (call) => SPANS[call.name]?.(call) ?? [],
    before: (call) => {
      if (call.name === 'close') beforeClose(numberOf(call, 0))
    },
    after: (call, result) => {
      const isDone = typeof result !== 'number' || result >= 0
      if (!isDone) checkDescriptor(call, functions)
      else if (call.name === 'close') closedAt.set(numberOf(call, 0), stackHere())
      if (call.name === 'epoll_ctl') noteRegistration(call, isDone)
    },
  })
}

/** Out of the loop, then closed: else its events, or those of whoever gets the number, come to the wrong owner. */
function beforeClose(fd: number): void {
  registered.delete(fd)
  for (const descriptors of registered.values())
    if (descriptors.has(fd)) endForMisuse('closed in an event loop', `descriptor ${fd}`)
}

function checkDescriptor({ name, args }: ForeignCall, functions: Syscalls): void {
  if (errno() !== Errno.EBADF || WITHOUT_DESCRIPTOR.has(name)) return
  if (THROWING.has(name) && !(name === 'epoll_ctl' && args[1] === CTL_DEL)) return
  const fd = Number(args[name === 'epoll_ctl' ? 2 : 0])
  // The same errno is for a descriptor inside of a packet.
  if (fd >= FEIGNED || functions.fcntl(fd, F_GETFD, 0) >= 0) return
  endForMisuse('descriptor is not open', `${name} of ${fd}`, closedAt.get(fd))
}

function noteRegistration(call: ForeignCall, isDone: boolean): void {
  const [epoll, operation, fd] = [numberOf(call, 0), numberOf(call, 1), numberOf(call, 2)]
  const descriptors = registered.get(epoll) ?? new Set<number>()
  registered.set(epoll, descriptors)
  if (operation === CTL_DEL) descriptors.delete(fd)
  else if (operation === CTL_ADD && isDone) descriptors.add(fd)
}

function buffer(use: SpanUse, at: number, length: number): Spans {
  return (call) => [span(use, call, [at, length])]
}

function span(use: SpanUse, call: ForeignCall, [at, length]: readonly [at: number, length: number]): Span {
  return { address: addressOf(call, at), bytes: numberOf(call, length), use }
}

function fixed(use: SpanUse, address: bigint, bytes: number): readonly Span[] {
  return address === 0n ? [] : [{ address, bytes, use }]
}

/** Something whose length stands, as a number of 32 bits, behind another pointer. */
function addressSpans(call: ForeignCall, at: number, lengthAt: number): readonly Span[] {
  const length = addressOf(call, lengthAt)
  const bytes = length === 0n ? 0 : Number(BigInt.asUintN(32, pointerAt(length)))
  return [...fixed('written', length, 4), ...fixed('written', addressOf(call, at), bytes)]
}

function vectorSpans(use: SpanUse, base: bigint, count: number): readonly Span[] {
  const spans: Span[] = [...fixed('read', base, count * VECTOR_BYTES)]
  for (let at = base; at < base + BigInt(count * VECTOR_BYTES); at += BigInt(VECTOR_BYTES))
    spans.push({ address: pointerAt(at), bytes: Number(pointerAt(at + 8n)), use })
  return spans
}

/** A struct msghdr: one vector, and what goes with it. */
function messageSpans(use: SpanUse, base: bigint): readonly Span[] {
  return [
    ...fixed('read', base, MESSAGE_BYTES),
    ...vectorSpans(use, pointerAt(base + 16n), Number(pointerAt(base + 24n))),
    ...fixed(use, pointerAt(base + 32n), Number(pointerAt(base + 40n))),
  ]
}
