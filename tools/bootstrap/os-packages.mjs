// The programs of the operating system that demo, lab and their tests use, from Debian's or Ubuntu's own archive.
// The machine is its owner's: we want the programs, so no service of theirs is left running or enabled.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BootstrapError } from './bootstrap-error.mjs'
import { megabytes, timed } from './progress.mjs'
import { runCommand } from './run-command.mjs'
import { bootLinks, disableNewLinks } from './boot-links.mjs'
import { keepServicesDown, restorePolicy } from './service-policy.mjs'

/**
 * What tells whether a package is there, each with the package.
 *
 * @typedef {object} OsNeeds
 * @property {readonly (readonly string[])[]} programs
 * @property {readonly (readonly string[])[]} files
 */

/** What demo, lab and tests run. @type {OsNeeds['programs']} */
const PROGRAMS = [
  ['iptables-restore', 'iptables'],
  ['nft', 'nftables'],
  ['ipset', 'ipset'],
  ['ip', 'iproute2'],
  ['tcpdump', 'tcpdump'],
  ['nginx', 'nginx-light'],
  ['redis-server', 'redis-server'],
  ['redis-cli', 'redis-tools'],
  ['curl', 'curl'],
  ['dnsmasq', 'dnsmasq-base'],
  ['gcc', 'gcc'],
  ['clang', 'clang'],
  ['conntrack', 'conntrack'],
  ['nsenter', 'util-linux'],
  ['ps', 'procps'],
]
/** @type {OsNeeds['files']} */
const FILES = [
  ['usr/include/stdio.h', 'libc6-dev'],
  ['usr/include/bpf/bpf_helpers.h', 'libbpf-dev'],
  ['usr/lib/cni/bridge', 'containernetworking-plugins'],
]
/** @type {OsNeeds} */
const NEEDS = { programs: PROGRAMS, files: FILES }
const FOLDERS = ['usr/local/sbin', 'usr/local/bin', 'usr/sbin', 'usr/bin', 'sbin', 'bin']
const APT_OPTIONS = ['-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300']

/**
 * What the set-up sees of the machine; a test gives another root and other programs.
 *
 * @typedef {object} OsDeps
 * @property {string} root Where the file system begins.
 * @property {string} toolchain Where an interrupted install is remembered.
 * @property {boolean} isSuperuser
 * @property {NodeJS.ProcessEnv} env
 */

/** @param {string} toolchain @returns {OsDeps} */
export function thisSystem(toolchain) {
  return { root: '/', toolchain, isSuperuser: process.getuid?.() === 0, env: process.env }
}

/** @param {string} root @param {OsNeeds} [needs] @returns {readonly string[]} Names of packages. */
export function missingPackages(root, needs = NEEDS) {
  const byProgram = needs.programs.filter(
    ([program = '']) => !FOLDERS.some((folder) => existsSync(join(root, folder, program))),
  )
  const byFile = needs.files.filter(([file = '']) => !existsSync(join(root, file)))
  return [...byProgram, ...byFile].map(([, name = '']) => name)
}

/**
 * Installs what is missing, if it may.
 *
 * @param {OsDeps} deps
 * @param {OsNeeds} [needs]
 * @throws {BootstrapError} with the exact command to run, when it may not.
 */
export async function installOsPackages(deps, needs = NEEDS) {
  const record = join(deps.toolchain, 'os-install.json')
  const missing = missingPackages(deps.root, needs)
  if (missing.length === 0 && !existsSync(record)) return
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (!existsSync(join(deps.root, 'usr/bin/apt-get'))) {
    throw new BootstrapError(
      `this system has no apt-get: use Debian or Ubuntu, or install what provides ${missing.join(', ')}`,
    )
  }
  if (!deps.isSuperuser) throw new BootstrapError(`programs are missing, run: sudo ${command}`)
  // Before the first change: a run that is killed leaves this, and the next one finishes the tidying.
  if (!existsSync(record)) writeFileSync(record, JSON.stringify(bootLinks(deps.root)))
  if (missing.length > 0) {
    const title = `packages of the system: ${missing.join(' ')}`
    await timed(
      title,
      () => install(deps, missing, command),
      (bytes) =>
        `packages of the system: ${megabytes(bytes)} fetched, installed, no service of theirs started`,
    )
  } else await finishConfiguring(deps)
  await disableNewLinks(deps, JSON.parse(readFileSync(record, 'utf8')))
  rmSync(record)
  const still = missingPackages(deps.root, needs)
  if (still.length > 0)
    throw new BootstrapError(
      `installed, but not where it is looked for: ${still.join(' ')}; report this with the name of your system`,
    )
}

/**
 * @param {OsDeps} deps @param {readonly string[]} missing @param {string} command
 * @returns {Promise<number>} Bytes fetched.
 */
async function install(deps, missing, command) {
  const env = { ...deps.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1', LC_ALL: 'C' }
  const advice = `run "apt-get update && ${command}" and see what it says`
  const apt = (/** @type {readonly string[]} */ words, options = {}) =>
    runCommand(['apt-get', ...words], { env, advice, ...options })
  await apt(['update', '-qq'], { attempts: 3 })
  const names = await chooseNames(missing, env)
  const bytes = sizeOf(await apt(['install', ...APT_OPTIONS, '--print-uris', '-qq', ...names]))
  await apt(['install', ...APT_OPTIONS, '--download-only', ...names], { attempts: 3 })
  await withServicesDown(deps, async () => {
    // An unpacking that stops in the middle leaves a machine to repair, so Ctrl-C is answered after it; it takes seconds.
    await runCommand(['dpkg', '--configure', '-a'], { env, advice, uninterrupted: true })
    await apt(['install', ...APT_OPTIONS, '--no-download', ...names], { uninterrupted: true })
  })
  return bytes
}

/** After a run that was killed between unpacking and configuring. @param {OsDeps} deps */
function finishConfiguring(deps) {
  const env = { ...deps.env, DEBIAN_FRONTEND: 'noninteractive' }
  return withServicesDown(deps, () => runCommand(['dpkg', '--configure', '-a'], { env, uninterrupted: true }))
}

/** @param {OsDeps} deps @param {() => Promise<unknown>} work */
async function withServicesDown(deps, work) {
  const restore = keepServicesDown(deps.root)
  try {
    await work()
  } finally {
    restore()
  }
}

/** Some systems have only the larger of two packages. @param {readonly string[]} names @param {NodeJS.ProcessEnv} env */
async function chooseNames(names, env) {
  if (!names.includes('nginx-light')) return names
  const found = await runCommand(['apt-cache', 'search', '--names-only', '^nginx-light$'], { env })
  return found.trim() === '' ? names.map((name) => (name === 'nginx-light' ? 'nginx' : name)) : names
}

/** Of lines `'uri' file size hash`. @param {string} uris */
function sizeOf(uris) {
  return uris
    .split('\n')
    .map((line) => Number.parseInt(line.split(' ')[2] ?? '', 10))
    .filter((size) => !Number.isNaN(size))
    .reduce((sum, size) => sum + size, 0)
}

/** After a run that was killed: its policy file must not outlive it. @param {OsDeps} deps */
export function tidyUp(deps) {
  if (deps.isSuperuser) restorePolicy(deps.root)
}
