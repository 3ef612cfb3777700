/** Programs by posix_spawn(3): the child borrows our memory until it runs, where fork(2) would copy the tables of all of it. */
import { Arena, NULL, withCString } from './arena.ts'
import { closeDescriptor } from './descriptor.ts'
import { check, SyscallError } from './errno.ts'
import { AF_UNIX } from './socket-address.ts'
import { sys } from './syscalls.ts'

export interface ProgramToStart {
  /** Absolute. */
  readonly path: string
  /** Its own name first. */
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** Our ends are the caller's, as is the child, whose status has to be taken. */
export interface StartedProgram {
  readonly pid: number
  readonly stdin: number
  readonly stdout: number
  readonly stderr: number
}

export type StartProgramResult =
  | ({ readonly kind: 'started' } & StartedProgram)
  | { readonly kind: 'failed'; readonly errno: number }

const SOCK_STREAM_CLOEXEC = 0o2000001
const WNOHANG = 1
const SETSIGDEF_SETSIGMASK = 0x04 | 0x08
/** More than any C library needs for what it only lets us see as a pointer. */
const OPAQUE_BYTES = 512
const SIGNAL_SET_BYTES = 128
const pair = new Arena(8)
const waited = new Arena(4)

/**
 * Starts a program in this thread's namespaces and in `/`, with nothing of ours but three stream sockets for its standard
 * files. Every signal does what it does by default, also those that we ignore.
 *
 * @throws {SyscallError} when there are no descriptors left.
 */
export function startProgram(program: ProgramToStart): StartProgramResult {
  const open: number[] = []
  try {
    const [stdin, stdout, stderr] = [stdioPair(open), stdioPair(open), stdioPair(open)]
    const pid = new Arena(4)
    const code = withSpawnOptions([stdin.theirs, stdout.theirs, stderr.theirs], (actions, attributes) =>
      withStrings(program.argv, (argv) =>
        withStrings(
          Object.entries(program.environment).map(([name, value]) => `${name}=${value}`),
          (environment) =>
            withCString(program.path, (path) =>
              sys.posix_spawn(pid.base, path, actions, attributes, argv, environment),
            ),
        ),
      ),
    )
    if (code !== 0) return { kind: 'failed', errno: code }
    for (const { ours } of [stdin, stdout, stderr]) open.splice(open.indexOf(ours), 1)
    return {
      kind: 'started',
      pid: pid.view.getInt32(0, true),
      stdin: stdin.ours,
      stdout: stdout.ours,
      stderr: stderr.ours,
    }
  } finally {
    for (const fd of open) closeDescriptor(fd)
  }
}

export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: number }

/**
 * Takes the status of a child that has ended, once: its number may be another's afterwards.
 *
 * @returns undefined while it runs
 * @throws {SyscallError} `ECHILD` when it is no child of ours (any more)
 */
export function takeExitStatus(pid: number): ExitStatus | undefined {
  if (check(sys.waitpid(pid, waited.base, WNOHANG), 'waitpid') === 0) return undefined
  const status = waited.view.getInt32(0, true)
  const signal = status & 0x7f
  return signal === 0 ? { kind: 'exited', code: (status >> 8) & 0xff } : { kind: 'killed', signal }
}

interface StdioPair {
  readonly ours: number
  readonly theirs: number
}

/** Blocking ends: whoever reads ours in a loop makes that one, which is another description, non-blocking. */
function stdioPair(open: number[]): StdioPair {
  check(sys.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair.base), 'socketpair')
  const made = { ours: pair.view.getInt32(0, true), theirs: pair.view.getInt32(4, true) }
  open.push(made.ours, made.theirs)
  return made
}

function withSpawnOptions(
  stdio: readonly number[],
  use: (actions: bigint, attributes: bigint) => number,
): number {
  const actions = new Arena(OPAQUE_BYTES)
  const attributes = new Arena(OPAQUE_BYTES)
  const all = new Arena(SIGNAL_SET_BYTES)
  all.bytes.fill(0xff)
  const none = new Arena(SIGNAL_SET_BYTES)
  must(sys.posix_spawn_file_actions_init(actions.base))
  must(sys.posix_spawnattr_init(attributes.base))
  try {
    stdio.forEach((fd, at) => must(sys.posix_spawn_file_actions_adddup2(actions.base, fd, at)))
    withCString('/', (root) => must(sys.posix_spawn_file_actions_addchdir_np(actions.base, root)))
    must(sys.posix_spawnattr_setsigdefault(attributes.base, all.base))
    must(sys.posix_spawnattr_setsigmask(attributes.base, none.base))
    must(sys.posix_spawnattr_setflags(attributes.base, SETSIGDEF_SETSIGMASK))
    return use(actions.base, attributes.base)
  } finally {
    sys.posix_spawn_file_actions_destroy(actions.base)
    sys.posix_spawnattr_destroy(attributes.base)
  }
}

/** These functions return their error number and leave `errno` alone. */
function must(code: number): void {
  if (code !== 0) throw new SyscallError('posix_spawn', code)
}

/** Lends C a NULL-terminated vector of NUL-terminated copies. */
function withStrings<T>(texts: readonly string[], use: (vector: bigint) => T): T {
  const bytes = texts.map((text) => Buffer.from(`${text}\0`))
  const vectorBytes = (texts.length + 1) * 8
  const arena = new Arena(vectorBytes + bytes.reduce((sum, each) => sum + each.length, 0))
  let at = vectorBytes
  bytes.forEach((each, index) => {
    arena.bytes.set(each, at)
    arena.view.setBigUint64(index * 8, arena.at(at), true)
    at += each.length
  })
  arena.view.setBigUint64(texts.length * 8, NULL, true)
  const result = use(arena.base)
  arena.bytes.fill(0)
  return result
}
