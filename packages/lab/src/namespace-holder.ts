import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { LabError } from './lab-error.ts'
import { innermostProcess } from './process-table.ts'
import { commandEnvironment, describeArgv, killGroup } from './run-command.ts'

export interface HolderOptions {
  readonly name: string
  /** What leads into the namespaces it is made in, such as an `nsenter … --`; empty for the host. */
  readonly within: readonly string[]
  /** Namespaces made anew, as options of unshare(1). A pid namespace is always among them. */
  readonly unshare: readonly string[]
  /** Run by a shell as the first process in there, before anybody else; its failure fails `open`. */
  readonly setUp: string
  readonly env?: Readonly<Record<string, string>>
  /** Entered first: `cgroup.procs` files. */
  readonly cgroup: readonly string[]
}

const BUT_MOUNTS = ['--uts', '--ipc', '--net', '--pid', '--cgroup']
const READY = 'namespaces are ready'

/** Enters the cgroup, then becomes the program. A cgroup is entered by writing 0: this process, whatever it is called where. */
const ENTER_CGROUP = 'while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done; shift; exec "$@"'

/** `argv` started inside a cgroup. */
export function inCgroup(procsFiles: readonly string[], argv: readonly string[]): readonly string[] {
  return ['sh', '-c', ENTER_CGROUP, 'sh', ...procsFiles, '--', ...argv]
}

/**
 * A set of namespaces, held by its first process, which reads from a pipe whose other end is this process. When we end, in
 * whatever way, it reads the end of it and goes, and the kernel kills everything else in its pid namespace.
 */
export class NamespaceHolder implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  /** The first process, as the host numbers it. */
  readonly pid: number

  private constructor(child: ChildProcess, ended: Promise<void>, pid: number) {
    this.#child = child
    this.#ended = ended
    this.pid = pid
  }

  /** @throws {LabError} `COMMAND_FAILED`, with what the set-up said */
  static async open(options: HolderOptions): Promise<NamespaceHolder> {
    // A first process that ignores SIGCHLD has nothing to wait for: orphans given to it vanish when they end. Of the
    // shells, bash passes that on; dash has a handler for SIGCHLD whatever it is told, which also ends its `read`.
    const script = `set -e\n${options.setUp}\ntrap '' CHLD\necho '${READY}'\nexec cat >/dev/null`
    const made = [
      'unshare',
      ...options.unshare,
      '--pid',
      '--fork',
      '--kill-child',
      '--',
      // A shell whose input is a socket takes itself for a remote login and would run the user's ~/.bashrc.
      'bash',
      '--norc',
      '-c',
      script,
    ]
    const [program = '', ...args] = inCgroup(options.cgroup, [...options.within, ...made])
    const child = spawn(program, args, {
      detached: true,
      env: commandEnvironment(options.env),
      stdio: 'pipe',
    })
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    await untilReady(child, options.name)
    return new NamespaceHolder(child, ended, innermostProcess(child.pid ?? 0))
  }

  /** What leads into all of these namespaces: put it before a program and its arguments. */
  get entry(): readonly string[] {
    return this.#entryTo(['--mount', ...BUT_MOUNTS])
  }

  /** Leads into all but the mounts: files stay the host's. */
  get entryWithHostFiles(): readonly string[] {
    return this.#entryTo(BUT_MOUNTS)
  }

  /** Leads into the network namespace alone; process numbers and files stay the host's. */
  get networkEntry(): readonly string[] {
    return this.#entryTo(['--net'])
  }

  /** Kills every process in there. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.destroy()
    if (this.#child.pid !== undefined) killGroup(this.#child.pid, 'SIGKILL')
    await this.#ended
  }

  #entryTo(namespaces: readonly string[]): readonly string[] {
    return ['nsenter', '--target', `${this.pid}`, ...namespaces, '--']
  }
}

function untilReady(child: ChildProcess, name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let said = ''
  child.stdin?.on('error', () => {}) // its end is what the 'close' below tells
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8')
    if (said.includes(READY)) resolve()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString('utf8')}`.slice(-2000)
  })
  child.once('error', (cause) =>
    reject(new LabError('COMMAND_FAILED', `Cannot make ${name}: ${cause.message}`, { cause })),
  )
  child.once('close', () =>
    reject(new LabError('COMMAND_FAILED', `Cannot make ${name}: ${describeArgv([said.trim()])}`)),
  )
  return promise
}
