import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from './lab-error.ts'

/** What the lab needs of the machine, as a test can state it. */
export interface Machine {
  readonly platform: string
  readonly uid: number
  readonly hasProgram: (name: string) => boolean
  readonly hasFile: (path: string) => boolean
}

/** Where programs are looked for, on the host and in every node and pod. */
export const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const CNI_PLUGIN_DIR = '/usr/lib/cni'

const PROGRAMS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  bash: 'bash',
  'iptables-restore': 'iptables',
  dnsmasq: 'dnsmasq-base',
  tcpdump: 'tcpdump',
  curl: 'curl',
}
const CNI_PLUGINS = ['ptp', 'host-local', 'loopback']

/**
 * Says in one line what to do before a lab can run here.
 *
 * @throws {LabError} `REQUIREMENT_MISSING`, its message ending in the exact command to run
 */
export function checkRequirements(machine: Machine = thisMachine()): void {
  if (machine.platform !== 'linux') {
    throw missing(
      `The lab needs Linux, this is ${machine.platform}: run it in a virtual machine with Debian or Ubuntu`,
    )
  }
  const packages = missingPackages(machine)
  if (packages.length > 0) {
    const sudo = machine.uid === 0 ? '' : 'sudo '
    throw missing(
      `The lab lacks programs, run: ${sudo}apt-get install --yes --no-install-recommends ${packages.join(' ')}`,
    )
  }
  if (machine.uid !== 0)
    throw missing('The lab makes network namespaces and needs root, run the same command with: sudo')
}

function missingPackages(machine: Machine): readonly string[] {
  const packages = Object.entries(PROGRAMS)
    .filter(([program]) => !machine.hasProgram(program))
    .map(([, name]) => name)
  if (!CNI_PLUGINS.every((plugin) => machine.hasFile(join(CNI_PLUGIN_DIR, plugin))))
    packages.push('containernetworking-plugins')
  return [...new Set(packages)].toSorted()
}

function missing(message: string): LabError {
  return new LabError('REQUIREMENT_MISSING', message)
}

function thisMachine(): Machine {
  return {
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    hasProgram: (name) => PROGRAM_PATH.split(':').some((directory) => isExecutable(join(directory, name))),
    hasFile: existsSync,
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // not there, or not for us: either way not a program we can run
  }
}
