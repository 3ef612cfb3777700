import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A real program in a network namespace, its output kept. */
export class NamespaceProcess {
  readonly child: ChildProcess
  #output = ''

  constructor(
    namespace: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.child = spawn('ip', ['netns', 'exec', namespace, ...words], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const take = (chunk: Buffer): void => {
      this.#output += chunk.toString()
    }
    this.child.stdout?.on('data', take)
    this.child.stderr?.on('data', take)
  }

  get output(): string {
    return this.#output
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill(signal)
    await once(this.child, 'exit')
  }
}

export function run(namespace: string, words: readonly string[], deadlineMs = 10_000): Promise<Ran> {
  const { promise, resolve } = Promise.withResolvers<Ran>()
  execFile(
    'ip',
    ['netns', 'exec', namespace, ...words],
    { timeout: deadlineMs, maxBuffer: 64 << 20 },
    (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, stdout, stderr })
    },
  )
  return promise
}
