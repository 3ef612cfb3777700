import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `plain`: h2spec as it is. `connect`: each of its requests is a CONNECT, so that its cases meet an open tunnel. */
export type Flavour = 'plain' | 'connect'

export type Build =
  | { readonly kind: 'built'; readonly program: string }
  /** There is no Go that could build it. */
  | { readonly kind: 'no-go'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

const OLDEST_GO = 21
const H2SPEC = 'vendor/github.com/summerwind/h2spec'

/** What makes a CONNECT of h2spec's request; every text has to be there. */
const TO_CONNECT: readonly (readonly [from: string, to: string])[] = [
  ['return []hpack.HeaderField{\n\t\tHeaderField(":method", "GET"),', '_ = scheme\n\tGET'],
  ['\t\tHeaderField(":scheme", scheme),\n', ''],
  ['\t\tHeaderField(":path", c.Path),\n', ''],
  ['GET', 'return []hpack.HeaderField{\n\t\tHeaderField(":method", "CONNECT"),'],
]
const OTHER_METHODS = /headers\[0\]\.Value = "(?:POST|HEAD)"/g

/**
 * Builds our runner of h2spec's cases. Its modules, pinned by hash in `runner/go.sum`, come through Go's own settings.
 *
 * @param folder An empty one, the caller's.
 */
export function buildRunner(folder: string, flavour: Flavour): Build {
  const version = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', env: goEnvironment() })
  if (version.error !== undefined) return { kind: 'no-go', reason: 'Go is not installed' }
  const minor = /^go1\.(\d+)/.exec(version.stdout)?.[1]
  if (minor === undefined || Number(minor) < OLDEST_GO)
    return { kind: 'no-go', reason: `Go 1.${OLDEST_GO} is needed, and this is ${version.stdout.trim()}` }
  cpSync(join(import.meta.dirname, 'runner'), folder, { recursive: true })
  const failure = go(folder, ['mod', 'vendor'])
  if (failure !== undefined) return { kind: 'failed', reason: failure }
  if (flavour === 'connect') askByConnect(join(folder, H2SPEC))
  const broken = go(folder, ['build', '-mod=vendor', '-o', 'runner', '.'])
  if (broken !== undefined) return { kind: 'failed', reason: broken }
  return { kind: 'built', program: join(folder, 'runner') }
}

/** @throws {Error} when h2spec is not what it was. */
function askByConnect(h2spec: string): void {
  const request = join(h2spec, 'spec', 'util.go')
  let text = readFileSync(request, 'utf8')
  for (const [from, to] of TO_CONNECT) {
    if (!text.includes(from))
      throw new Error(`Cannot change the request of h2spec: no ${JSON.stringify(from)}`)
    text = text.replace(from, to)
  }
  writeFileSync(request, text)
  for (const file of readdirSync(h2spec, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.go')) continue
    const path = join(h2spec, file)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(OTHER_METHODS, 'headers[0].Value = "CONNECT"'))
  }
}

/** @returns What it said if it failed. */
function go(folder: string, args: readonly string[]): string | undefined {
  const { status, stderr } = spawnSync('go', args, { cwd: folder, encoding: 'utf8', env: goEnvironment() })
  return status === 0 ? undefined : `go ${args.join(' ')}: ${stderr.trim()}`
}

/** The Go that is there, and no workspace of somebody else's. */
function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, GOTOOLCHAIN: 'local', GOWORK: 'off', GOFLAGS: '' }
}
