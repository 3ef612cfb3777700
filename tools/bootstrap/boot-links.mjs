import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { runCommand } from './run-command.mjs'

const UNITS = 'etc/systemd/system'
const RUN_LEVELS = ['etc/rc2.d', 'etc/rc3.d', 'etc/rc4.d', 'etc/rc5.d', 'etc/rcS.d']

/**
 * Every link by which something starts at boot, relative to `root`.
 *
 * @param {string} root
 * @returns {readonly string[]}
 */
export function bootLinks(root) {
  const wanted = list(root, UNITS)
    .filter((name) => /\.(wants|requires)$/.test(name))
    .flatMap((name) => list(root, join(UNITS, name)).map((unit) => join(UNITS, name, unit)))
  const aliases = list(root, UNITS)
    .filter((name) => /\.(service|socket|timer|path)$/.test(name))
    .map((name) => join(UNITS, name))
  const levels = RUN_LEVELS.flatMap((folder) =>
    list(root, folder)
      .filter((name) => name.startsWith('S'))
      .map((name) => join(folder, name)),
  )
  return [...wanted, ...aliases, ...levels]
}

/**
 * Disables what came since `before`, by the system's own programs where there are any, so that it stays disabled when the
 * package is upgraded.
 *
 * @param {{root: string, env: NodeJS.ProcessEnv}} deps
 * @param {readonly string[]} before
 */
export async function disableNewLinks({ root, env }, before) {
  const added = () => bootLinks(root).filter((link) => !before.includes(link))
  const units = added().filter((link) => link.startsWith(UNITS))
  const services = added().filter((link) => !link.startsWith(UNITS))
  const isHost = root === '/'
  if (isHost && units.length > 0 && existsSync('/usr/bin/systemctl')) {
    await runCommand(['systemctl', 'disable', '--quiet', ...new Set(units.map((link) => basename(link)))], {
      env,
    }).catch(() => {}) // what it leaves is removed below
  }
  if (isHost && services.length > 0 && existsSync('/usr/sbin/update-rc.d')) {
    for (const name of new Set(services.map((link) => basename(link).replace(/^S\d\d/, '')))) {
      await runCommand(['update-rc.d', name, 'disable'], { env }).catch(() => {}) // what it leaves is removed below
    }
  }
  for (const link of added()) rmSync(join(root, link))
}

/** @param {string} root @param {string} folder */
function list(root, folder) {
  const path = join(root, folder)
  return existsSync(path) ? readdirSync(path) : []
}
