// `npm run WHAT -- ARGS`: sets up what WHAT needs, then runs it from source on the pinned Node. Its exit code is ours.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { bootstrap, pinnedNode, root, showFailure } from './bootstrap.mjs'
import { planRun } from './plan-run.mjs'
import { say } from './progress.mjs'

const NODE_FLAGS = ['--conditions=@ambient/source', '--disable-warning=ExperimentalWarning']

const [what = '', ...args] = process.argv.slice(2)
process.exitCode = await main()

/** @returns {Promise<number>} */
async function main() {
  const plan = planRun(what, args, process.getuid?.() === 0)
  if (plan.kind === 'refuse') {
    say(plan.line)
    return plan.exitCode
  }
  try {
    await bootstrap(plan.os)
  } catch (error) {
    return showFailure(error)
  }
  return runEntry(join(root, plan.file))
}

/** @param {string} file @returns {Promise<number>} */
function runEntry(file) {
  return new Promise((resolve) => {
    const env = { ...process.env, NX_DAEMON: 'false' }
    const child = spawn(pinnedNode, [...NODE_FLAGS, file, ...args], { stdio: 'inherit', env })
    // A terminal gives Ctrl-C to the child itself; a second one from us would read as "at once".
    const isTerminal = process.stdin.isTTY || process.stdout.isTTY
    process.on('SIGINT', () => isTerminal || child.kill('SIGINT'))
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    process.on('SIGHUP', () => child.kill('SIGHUP'))
    child.on('error', (error) => {
      say(`cannot start ${pinnedNode} (${error.message}): remove .toolchain and run the same command again`)
      resolve(1)
    })
    child.on('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 1 : constants.signals[signal])),
    )
  })
}
