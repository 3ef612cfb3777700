// `npm run WHAT`: sets up what WHAT needs, then runs it on the pinned Node from source.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bootstrap, pinnedNode } from './bootstrap.mjs'

const ENTRIES = {
  test: { file: 'tools/test/main.ts', os: process.getuid?.() === 0 },
  check: { file: 'tools/check/main.ts', os: process.getuid?.() === 0 },
  demo: { file: 'e2e/demo/main.ts', os: true },
  lab: { file: 'packages/lab/src/main.ts', os: true },
  bench: { file: 'tools/bench/main.ts', os: true },
}
const root = join(import.meta.dirname, '..', '..')
const [what = '', ...args] = process.argv.slice(2)
const entry = ENTRIES[what]
if (entry === undefined) {
  process.stderr.write(`usage: run.mjs ${Object.keys(ENTRIES).join('|')} [ARGS]\n`)
  process.exit(2)
}
if (entry.os && process.getuid?.() !== 0) {
  process.stderr.write(`${what} makes network namespaces and needs root: sudo npm run ${what}\n`)
  process.exit(1)
}
bootstrap({ os: entry.os })
const child = spawn(pinnedNode, ['--conditions=@ambient/source', '--disable-warning=ExperimentalWarning', join(root, entry.file), ...args], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)))
