// Sets a checkout up: pinned Node, npm packages, generated code, and with --os the programs of the operating system.
// Runs on any Node from 20 on and needs no package. Each step leaves a stamp; a step whose inputs did not change is skipped.
// With names of extras (`envoy`, `haproxy`, `nginx-stream`, `vm`) it installs those instead.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BootstrapError } from './bootstrap-error.mjs'
import { extraNames, installExtra } from './extras.mjs'
import { installOsPackages, thisSystem, tidyUp } from './os-packages.mjs'
import { checkKernel, checkPlatform, thisMachine } from './platform.mjs'
import {
  buildKernelPrograms,
  buildPlugin,
  generateCode,
  installProjectPackages,
} from './project-packages.mjs'
import { say } from './progress.mjs'
import { stopWatching, watchForInterrupts } from './run-command.mjs'
import { installToolchain, nodePath } from './toolchain.mjs'

const here = fileURLToPath(import.meta.url)
export const root = join(dirname(here), '..', '..')
const toolchain = join(root, '.toolchain')
const BPF_HEADERS = '/usr/include/bpf/bpf_helpers.h'
export const pinnedNode = nodePath(toolchain)

/**
 * @param {'none' | 'wanted' | 'required'} os Whether to install programs of the operating system; what is only wanted may
 *   be missing: the tests that need it say so themselves.
 * @throws {BootstrapError} whose message is the one line to show.
 */
export async function bootstrap(os) {
  watchForInterrupts()
  try {
    const system = thisSystem(toolchain)
    const node = checkPlatform(thisMachine())
    tidyUp(system)
    await installToolchain(toolchain, node)
    if (os !== 'none') {
      try {
        await installOsPackages(system)
        if (system.isSuperuser) await checkKernel(toolchain)
      } catch (error) {
        if (os === 'required' || !(error instanceof BootstrapError) || error.exitCode !== 1) throw error
        say(`${error.message}; going on without, the tests that need it will fail`)
      }
    }
    await installProjectPackages(root, toolchain)
    await generateCode(root, toolchain)
    if (hasCompiler('gcc')) await buildPlugin(root, toolchain)
    if (hasCompiler('clang') && existsSync(BPF_HEADERS)) await buildKernelPrograms(root, toolchain)
  } finally {
    stopWatching()
  }
}

/** @param {readonly string[]} names @throws {BootstrapError} whose message is the one line to show. */
async function installExtras(names) {
  const unknown = names.find((name) => !extraNames.includes(name))
  if (unknown !== undefined)
    throw new BootstrapError(`there is no "${unknown}" to install, take of: ${extraNames.join(', ')}`, 2)
  watchForInterrupts()
  try {
    const machine = thisMachine()
    checkPlatform(machine)
    const system = thisSystem(toolchain)
    tidyUp(system)
    for (const name of names) await installExtra(name, { system, arch: machine.arch })
  } finally {
    stopWatching()
  }
}

/** @param {'gcc' | 'clang'} name */
function hasCompiler(name) {
  return existsSync(`/usr/bin/${name}`) || existsSync(`/usr/local/bin/${name}`)
}

/** Shows the one line of a failed set-up. @param {unknown} error @returns {number} The exit code. */
export function showFailure(error) {
  if (!(error instanceof BootstrapError)) throw error
  say(error.message)
  return error.exitCode
}

if (process.argv[1] === here) {
  try {
    const extras = process.argv.slice(2).filter((word) => !word.startsWith('--'))
    if (extras.length > 0) await installExtras(extras)
    else await bootstrap(process.argv.includes('--os') ? 'required' : 'none')
  } catch (error) {
    process.exitCode = showFailure(error)
  }
}
