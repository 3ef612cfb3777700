import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from './run-command.mjs'
import { filesIn, hashOf, runStep } from './steps.mjs'
import { nodePath, npmPath, toolchainEnv } from './toolchain.mjs'

const ADVICE =
  'if it speaks of the network, check the connection; if it says that the lock file is not in sync, somebody changed a package.json without it; then run the same command again'

/** What the lock file names, and nothing else. @param {string} root @param {string} toolchain */
export async function installProjectPackages(root, toolchain) {
  const isInstalled = existsSync(join(root, 'node_modules', '.package-lock.json'))
  await runStep(toolchain, {
    name: 'packages',
    title: `npm packages, ${countPackages(root)} in the lock file`,
    key: hashOf(root, ['package.json', 'package-lock.json', '.npmrc', ...manifests(root)]),
    isThere: isInstalled,
    work: async () => {
      // `ci` begins by removing everything. Over a whole installation `install` comes to the same and takes a second.
      const verb = isInstalled ? ['install', '--no-save'] : ['ci']
      const flags = [
        '--ignore-scripts',
        '--include=dev',
        '--include=optional',
        '--no-audit',
        '--no-fund',
        '--loglevel=error',
      ]
      const words = [nodePath(toolchain), npmPath(toolchain), ...verb, ...flags]
      await runCommand(words, { cwd: root, env: toolchainEnv(toolchain), attempts: 3, advice: ADVICE })
      const size = await runCommand(['du', '-sm', 'node_modules'], { cwd: root })
      return `npm packages: ${Number.parseInt(size, 10)} MB on disk`
    },
  })
}

/** Messages of proto/ as code. @param {string} root @param {string} toolchain */
export async function generateCode(root, toolchain) {
  await runStep(toolchain, {
    name: 'protos',
    title: 'generated code',
    key: hashOf(root, [...filesIn(root, 'proto'), ...filesIn(root, 'tools/generate'), 'package-lock.json']),
    isThere: existsSync(join(root, 'packages/xds-proto/src/generated')),
    work: async () => {
      for (const script of ['protos', 'envoy-protos']) {
        const words = [nodePath(toolchain), `tools/generate/${script}.mjs`]
        await runCommand(words, { cwd: root, env: toolchainEnv(toolchain) })
      }
      return `generated code from ${filesIn(root, 'proto').length} .proto files`
    },
  })
}

/** The CNI plugin is C: built when there is a compiler. @param {string} root @param {string} toolchain */
export async function buildPlugin(root, toolchain) {
  const folder = 'apps/cni/plugin'
  const sources = filesIn(root, folder).filter((path) => /\.(c|h|sh)$/.test(path))
  const script = join(folder, 'build.sh')
  if (!sources.includes(script)) return
  await runStep(toolchain, {
    name: 'plugin',
    title: 'CNI plugin',
    key: hashOf(root, sources),
    isThere: existsSync(join(root, folder, 'dist', 'istio-cni')),
    work: async () => {
      await runCommand(['sh', script], { cwd: root, env: toolchainEnv(toolchain) })
      return 'CNI plugin built'
    },
  })
}

/** The programs of the kernel: built when there is a compiler for them. @param {string} root @param {string} toolchain */
export async function buildKernelPrograms(root, toolchain) {
  const sources = [...filesIn(root, 'bpf'), ...filesIn(root, 'bpf/include')].filter((path) =>
    /\.(c|h|sh)$/.test(path),
  )
  const script = join('bpf', 'build.sh')
  if (!sources.includes(script)) return
  await runStep(toolchain, {
    name: 'kernel-programs',
    title: 'eBPF programs',
    key: hashOf(root, sources),
    isThere: existsSync(join(root, 'bpf', 'dist', 'redirect.o')),
    work: async () => {
      await runCommand(['sh', script], { cwd: root, env: toolchainEnv(toolchain) })
      return 'eBPF programs built'
    },
  })
}

/** @param {string} root */
function manifests(root) {
  const folders = ['packages', 'apps'].flatMap((folder) => filesIn(root, folder))
  return [...folders, 'e2e', 'tools'].map((folder) => join(folder, 'package.json'))
}

/** @param {string} root */
function countPackages(root) {
  const text = readFileSync(join(root, 'package-lock.json'), 'utf8')
  return text.match(/^ {4}"node_modules\//gm)?.length ?? 0
}
