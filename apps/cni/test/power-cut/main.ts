/** `npm run power-cut`: the power goes at every moment of what the agent does to a node's disk, on another kernel. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPlugin } from '../run-plugin.ts'
import { POWER_MAY_GO } from './disks.ts'

const HELP = `Usage: npm run power-cut [-- options]

Boots another kernel with ../shared/tools/vm, cuts its power, boots it again and looks at the disk. Needs root.

  --kernel NAME    default 6.1-cloud
  --seconds S      for each of the two boots (default 150)
`
const root = join(import.meta.dirname, '..', '..', '..', '..')
const TOOL = '../shared/tools/vm'
const TIMED_OUT = 124
const DIED = 125

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      kernel: { type: 'string', default: '6.1-cloud' },
      seconds: { type: 'string', default: '150' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return say(HELP, 0)
  const tool = join(root, TOOL, 'run.sh')
  if (!existsSync(tool)) return notRun(`${TOOL} is missing`)
  const missing = prepare(tool, values.kernel)
  if (missing !== undefined) return notRun(missing)
  buildPlugin()
  return cutPower(tool, ['-k', values.kernel, '-t', values.seconds])
}

/** @returns what kept the machine from being made ready */
function prepare(tool: string, kernel: string): string | undefined {
  const bootstrap = join(root, 'tools', 'bootstrap', 'bootstrap.mjs')
  const run = (words: readonly [string, ...string[]]): boolean =>
    spawnSync(words[0], words.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
  if (!run([process.execPath, bootstrap, 'vm'])) return 'the emulator cannot be installed'
  if (!run([tool, 'fetch', kernel])) return `kernel ${kernel} cannot be fetched`
  return undefined
}

async function cutPower(tool: string, options: readonly string[]): Promise<number> {
  const node = `${process.execPath} ${process.execArgv.join(' ')} ${import.meta.dirname}`
  const words = ['reboot', '--cut-on', POWER_MAY_GO, ...options, '--first', `exec ${node}/leave.ts`]
  const { code, said } = await runTool(tool, [...words, '--second', `exec ${node}/judge.ts`])
  const count = /^\d+ passed, (\d+) failed$/m.exec(said)
  if (count !== null) return say('', count[1] === '0' ? 0 : 1) // it was the last line that was said
  if (code === TIMED_OUT || code === DIED) return notRun('the machine did not come so far')
  return say('0 passed, 1 failed\n', 1)
}

function runTool(
  tool: string,
  words: readonly string[],
): Promise<{ readonly code: number | null; readonly said: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; said: string }>()
  const child = spawn(tool, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    process.stdout.write(chunk)
  })
  child.once('error', reject)
  child.once('close', (code) => resolve({ code, said }))
  return promise
}

/** No verdict, and so no count. */
function notRun(because: string): number {
  return say(`not run: ${because}\n0 passed, 0 failed\n`, 0)
}

function say(text: string, code: number): number {
  process.stdout.write(text)
  return code
}
