import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { NetworkNamespace } from '@ambient/linux'
import { CniError } from '../cni-error.ts'

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
  let running = 0
  const waiting: (() => void)[] = []
  return async (words, run = {}) => {
    if (running >= limits.maxRunning) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await runOnce(words, run, limits)
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next() // takes over our place
    }
  }
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

function runOnce(
  words: readonly string[],
  { netns, input = '', environment = {} }: ProgramRun,
  limits: ProgramLimits,
): Promise<ProgramResult> {
  const [program = '', ...rest] = words
  return new Promise((resolve, reject) => {
    const start = (): ChildProcessWithoutNullStreams =>
      spawn(program, rest, { env: { ...ENVIRONMENT, ...environment }, cwd: '/' })
    // A child is born in the namespace of the thread that makes it, before `spawn` returns: no program has to carry it there.
    const child = netns === undefined ? start() : netns.enter(start)
    const timer = setTimeout(() => child.kill('SIGKILL'), limits.deadlineMs)
    const out = collect(child.stdout, limits.maxOutputBytes)
    const err = collect(child.stderr, limits.maxOutputBytes)
    child.stdin.on('error', () => {}) // it ended without reading; its status tells
    child.stdin.end(input)
    child.on('error', (cause) => {
      clearTimeout(timer)
      reject(
        new CniError(
          'PLATFORM_UNSUPPORTED',
          `Cannot run ${program}: ${cause.message}; install iptables, nftables, ipset and iproute2`,
          { cause },
        ),
      )
    })
    child.on('close', (status) => {
      clearTimeout(timer)
      resolve({ status: status ?? undefined, stdout: out(), stderr: err() })
    })
  })
}

function collect(stream: NodeJS.ReadableStream, maxBytes: number): () => string {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxBytes) chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString('utf8')
}
