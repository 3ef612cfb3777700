import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'

const ROOT: string = join(import.meta.dirname, '..')
export const PLUGIN: string = join(ROOT, 'plugin/dist/istio-cni')
export const SANITIZED_PLUGIN: string = join(ROOT, 'plugin/dist/istio-cni-sanitized')
export const FUZZ: string = join(ROOT, 'plugin/dist/fuzz')

export function buildPlugin(): void {
  execFileSync(join(ROOT, 'plugin/build.sh'), ['--sanitize'], { stdio: 'inherit' })
}

export interface PluginRun {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a plugin as libcni does: environment, standard input, nothing else. */
export function runPlugin(
  words: readonly string[],
  environment: Readonly<Record<string, string>>,
  input: string | Buffer,
): Promise<PluginRun> {
  const [program = '', ...rest] = words
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...environment } })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    child.on('error', reject)
    child.on('close', (status) =>
      resolve({ status, stdout: Buffer.from(stdout, 'latin1').toString(), stderr }),
    )
  })
}

/** A JSON object of which a test knows what is in it. */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  return JSON.parse(text) as Readonly<Record<string, unknown>>
}
