import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { BootstrapError } from './bootstrap-error.mjs'
import { runCommand } from './run-command.mjs'
import { runStep } from './steps.mjs'
import { NODE_PACKAGES } from './toolchain.mjs'

const OLDEST_NODE = 20

/** @typedef {{platform: string, arch: string, nodeMajor: number, isGlibc: boolean}} Machine */

/** @returns {Machine} */
export function thisMachine() {
  return {
    platform: process.platform,
    arch: process.arch,
    nodeMajor: Number.parseInt(process.versions.node, 10),
    isGlibc: !existsSync('/etc/alpine-release'),
  }
}

/**
 * @param {Machine} machine
 * @returns {import('./toolchain.mjs').PinnedPackage} The Node for it.
 * @throws {BootstrapError} saying in one line what to use instead.
 */
export function checkPlatform({ platform, arch, nodeMajor, isGlibc }) {
  if (platform !== 'linux') {
    throw new BootstrapError(
      `this mesh is made of Linux network namespaces and does not run on ${platform}: use a virtual machine with Debian or Ubuntu`,
    )
  }
  const node = NODE_PACKAGES[arch]
  if (node === undefined)
    throw new BootstrapError(`there is no pinned Node for ${arch}: use a machine with x64 or arm64`)
  if (!isGlibc)
    throw new BootstrapError('the pinned Node needs glibc, which Alpine does not have: use Debian or Ubuntu')
  if (nodeMajor < OLDEST_NODE)
    throw new BootstrapError(
      `this is Node ${nodeMajor}: install Node ${OLDEST_NODE} or newer, then run the same command again`,
    )
  return node
}

/** Each part of the redirect that is a module of the kernel. */
const REDIRECT_RULES = `*nat
-A OUTPUT -p tcp -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15001
COMMIT
*mangle
-A PREROUTING -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
-A OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
COMMIT
*raw
-A PREROUTING -p udp -m udp --sport 53 -j CT --zone 1
COMMIT
`
const PROBES = [
  {
    words: ['unshare', '--net', '--mount', '--pid', '--fork', 'true'],
    advice:
      'this kernel or container refuses namespaces: use a virtual machine, or a container started with --privileged',
  },
  {
    words: ['unshare', '--net', 'iptables-restore'],
    input: REDIRECT_RULES,
    advice:
      'this kernel lacks what the redirect is made of: run "modprobe -a iptable_nat iptable_mangle iptable_raw xt_REDIRECT xt_connmark xt_mark xt_CT", or use the standard kernel of Debian or Ubuntu',
  },
  {
    words: ['unshare', '--net', 'ipset', 'create', 'ambient-probe', 'hash:ip'],
    advice:
      'this kernel lacks sets of addresses: run "modprobe -a ip_set ip_set_hash_ip xt_set", or use the standard kernel of Debian or Ubuntu',
  },
]

/** Tries the features on namespaces of its own; once a kernel. @param {string} toolchain */
export async function checkKernel(toolchain) {
  await runStep(toolchain, {
    name: 'kernel',
    title: `features of kernel ${release()}`,
    key: `${release()} ${PROBES.length}`,
    isThere: true,
    work: async () => {
      for (const { words, ...options } of PROBES) await runCommand(words, options)
      return 'features of the kernel tried'
    },
  })
}
