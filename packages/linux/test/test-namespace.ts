import { execFileSync } from 'node:child_process'

/** A named network namespace of one test file, with `lo` up; deleted by `delete`. */
export interface TestNamespace {
  readonly name: string
  readonly path: string
  /** `ip -n NAME …`. */
  ip(...args: string[]): string
  /** A program inside. */
  run(program: string, ...args: string[]): string
  /** A program inside, with standard input. */
  feed(input: string, program: string, ...args: string[]): void
  delete(): void
}

/** Makes it; `suffix` keeps two of one process apart. */
export function makeNamespace(suffix: string): TestNamespace {
  const name = `amblinux-${process.pid}-${suffix}`
  const run = (program: string, args: readonly string[]): string =>
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  run('ip', ['netns', 'add', name])
  run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  return {
    name,
    path: `/run/netns/${name}`,
    ip: (...args) => run('ip', ['-n', name, ...args]),
    run: (program, ...args) => run('ip', ['netns', 'exec', name, program, ...args]),
    feed: (input, program, ...args) =>
      void execFileSync('ip', ['netns', 'exec', name, program, ...args], { input }),
    delete: () => void run('ip', ['netns', 'delete', name]),
  }
}
