/** One Kubernetes cluster, as the suites see it: kubectl, helm, and waiting for what should come true. */
import { spawn } from 'node:child_process'
import { waitFor } from '@ambient/lab'

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface ClusterOptions {
  readonly kubeconfig: string
  readonly path: string
}

export class Cluster {
  readonly #env: NodeJS.ProcessEnv

  constructor({ kubeconfig, path }: ClusterOptions) {
    this.#env = { PATH: path, KUBECONFIG: kubeconfig, HOME: '/root' }
  }

  /** @returns whatever it ended with; never throws for a status. */
  run(argv: readonly string[], input = '', deadlineMs = 60_000): Promise<CommandResult> {
    const [program = '', ...args] = argv
    const child = spawn(program, args, { env: this.#env, stdio: ['pipe', 'pipe', 'pipe'] })
    const text = { stdout: '', stderr: '' }
    child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()))
    child.stdin.on('error', () => {}) // it may end before it has read everything
    child.stdin.end(input)
    const deadline = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => {
        clearTimeout(deadline)
        const late = signal === 'SIGKILL' ? `\nended after ${deadlineMs} ms` : ''
        resolve({ code: code ?? 1, stdout: text.stdout, stderr: text.stderr + late })
      })
    })
  }

  /** @throws {Error} with what it said, when it does not end well. */
  async must(argv: readonly string[], input = '', deadlineMs = 60_000): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, input, deadlineMs)
    if (code !== 0) throw new Error(`${argv.slice(0, 6).join(' ')} ended with ${code}: ${stderr || stdout}`)
    return stdout
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.must(['kubectl', ...args])
  }

  async apply(manifest: string): Promise<void> {
    await this.must(['kubectl', 'apply', '-f', '-'], manifest)
  }

  async delete(...args: readonly string[]): Promise<void> {
    await this.must(['kubectl', 'delete', '--ignore-not-found', ...args], '', 120_000)
  }

  /** Runs a program in a pod. @param pod `shop/client` */
  exec(pod: string, argv: readonly string[], deadlineMs = 30_000): Promise<CommandResult> {
    const [namespace = '', name = ''] = pod.split('/')
    return this.run(['kubectl', 'exec', '-n', namespace, name, '--', ...argv], '', deadlineMs)
  }

  /** The object as JSON. */
  async get(kind: string, name: string, namespace: string): Promise<unknown> {
    return JSON.parse(await this.kubectl('get', kind, name, '-n', namespace, '-o', 'json'))
  }

  async podsReady(namespace: string, selector: string, deadlineMs = 120_000): Promise<void> {
    await this.must(
      [
        'kubectl',
        'wait',
        '-n',
        namespace,
        '--for=condition=Ready',
        'pod',
        '-l',
        selector,
        `--timeout=${deadlineMs}ms`,
      ],
      '',
      deadlineMs + 5_000,
    )
  }

  /** All that the pods of a selector say. */
  logs(namespace: string, selector: string): Promise<string> {
    return this.kubectl('logs', '-n', namespace, '-l', selector, '--tail=-1', '--prefix', '--all-containers')
  }

  waitFor<T>(what: string, probe: () => Promise<T | undefined | false>, deadlineMs: number): Promise<T> {
    return waitFor(what, probe, deadlineMs)
  }
}
