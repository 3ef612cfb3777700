import { accessSync, constants } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Errno,
  errnoName,
  type NetworkNamespace,
  type StartedProgram,
  startProgram,
  type StartProgramResult,
  takeExitStatus,
} from '@ambient/linux'
import { CniError } from '../cni-error.ts'
import { Places } from '../places.ts'

export interface ProgramRun {
  /** Where it runs, our own if left out; to be held until it has ended. */
  readonly netns?: NetworkNamespace
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
}

export interface ProgramResult {
  /** Undefined when it was killed at the deadline. */
  readonly status: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs one program without a shell. The first word is its name, found in the system's own directories. */
export type RunProgram = (words: readonly string[], run?: ProgramRun) => Promise<ProgramResult>

export interface ProgramLimits {
  readonly maxRunning: number
  readonly maxOutputBytes: number
  readonly deadlineMs: number
}

const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
} as const

/** Bounds how many programs run at once, how long, and how much they print; the rest waits its turn. */
export function createProgramRunner(limits: ProgramLimits): RunProgram {
  const places = new Places(limits.maxRunning)
  return (words, run = {}) => places.run(() => runOnce(words, run, limits))
}

/** @throws {CniError} `RULES_FAILED` with what the program said, unless it ended with status 0. */
export async function mustRun(
  run: RunProgram,
  words: readonly string[],
  options?: ProgramRun,
): Promise<string> {
  const { status, stdout, stderr } = await run(words, options)
  if (status === 0) return stdout
  const said = stderr
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('; ')
    .slice(0, 500)
  throw new CniError(
    'RULES_FAILED',
    `Cannot run ${words.join(' ')}: ${status === undefined ? 'killed at its deadline' : `status ${status}`}: ${said}`,
  )
}

async function runOnce(
  words: readonly string[],
  { netns, input = '', environment = {} }: ProgramRun,
  limits: ProgramLimits,
): Promise<ProgramResult> {
  const child = start(words, { ...ENVIRONMENT, ...environment }, netns)
  const timer = setTimeout(() => process.kill(child.pid, 'SIGKILL'), limits.deadlineMs)
  const stdin = new Socket({ fd: child.stdin })
  stdin.on('error', () => {}) // it ended without reading; its status tells
  stdin.end(input)
  try {
    const [stdout, stderr] = await Promise.all(
      [child.stdout, child.stderr].map((fd) => collect(new Socket({ fd }), limits.maxOutputBytes)),
    )
    return { status: await exitOf(child.pid), stdout: stdout ?? '', stderr: stderr ?? '' }
  } finally {
    clearTimeout(timer)
    stdin.destroy()
  }
}

/** @throws {CniError} `PLATFORM_UNSUPPORTED` when there is no such program */
function start(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  netns: NetworkNamespace | undefined,
): StartedProgram {
  const [name = ''] = words
  const path = ENVIRONMENT.PATH.split(':')
    .map((directory) => join(directory, name))
    .find(isExecutable)
  // A child is born in the namespace of the thread that makes it: no program has to carry it there.
  const make = (): StartProgramResult =>
    path === undefined
      ? { kind: 'failed', errno: Errno.ENOENT }
      : startProgram({ path, argv: words, environment })
  const result = netns === undefined ? make() : netns.enter(make)
  if (result.kind === 'started') return result
  const because = errnoName(result.errno)
  throw new CniError(
    'PLATFORM_UNSUPPORTED',
    `Cannot run ${name}: ${because}; install iptables, nftables, ipset and iproute2`,
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const LOOK_MS = 1

/** Of a program that has closed its output, and so is about to end. */
async function exitOf(pid: number): Promise<number | undefined> {
  for (;;) {
    const status = takeExitStatus(pid)
    if (status !== undefined) return status.kind === 'exited' ? status.code : undefined
    await sleep(LOOK_MS)
  }
}

function collect(stream: Socket, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxBytes) chunks.push(chunk)
  })
  stream.on('error', () => {}) // its close tells as much
  return new Promise((resolve) => stream.once('close', () => resolve(Buffer.concat(chunks).toString('utf8'))))
}
