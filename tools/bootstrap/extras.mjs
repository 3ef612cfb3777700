// What only some benches and tests run; each is installed when it is asked for by name.
import { mkdirSync } from 'node:fs'
import { installEnvoy } from './envoy.mjs'
import { installOsPackages } from './os-packages.mjs'

/** Of the operating system. @type {Readonly<Record<string, import('./os-packages.mjs').OsNeeds>>} */
const OS_EXTRAS = {
  haproxy: { programs: [['haproxy', 'haproxy']], files: [] },
  'nginx-stream': {
    programs: [['nginx', 'nginx-light']],
    files: [['usr/lib/nginx/modules/ngx_stream_module.so', 'libnginx-mod-stream']],
  },
}
export const extraNames = ['envoy', ...Object.keys(OS_EXTRAS)]

/**
 * @param {string} name Of `extraNames`.
 * @param {{system: import('./os-packages.mjs').OsDeps, arch: string}} machine
 */
export async function installExtra(name, { system, arch }) {
  mkdirSync(system.toolchain, { recursive: true })
  const needs = OS_EXTRAS[name]
  if (needs === undefined) await installEnvoy(system.toolchain, { arch, env: system.env })
  else await installOsPackages(system, needs)
}
