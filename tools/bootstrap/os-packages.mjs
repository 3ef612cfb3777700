// The programs of the operating system that demo, lab and their tests use, from Debian's or Ubuntu's own archive.
import { spawnSync } from 'node:child_process'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'

/** Program that tells whether a package is there → package. */
const PROGRAMS = {
  'iptables-restore': 'iptables',
  ipset: 'ipset',
  ip: 'iproute2',
  tcpdump: 'tcpdump',
  nginx: 'nginx-light',
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  curl: 'curl',
  dnsmasq: 'dnsmasq-base',
  gcc: 'gcc libc6-dev',
  conntrack: 'conntrack',
  nsenter: 'util-linux',
  ps: 'procps',
}
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const CNI = { file: '/usr/lib/cni/bridge', package: 'containernetworking-plugins' }
const POLICY = '/usr/sbin/policy-rc.d'
/** Services of the packages above that an install would start and enable. */
const SERVICES = ['nginx', 'redis-server']

export function missingPackages() {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`))).map(([, name]) => name)
  return existsSync(CNI.file) ? missing : [...missing, CNI.package]
}

export function installOsPackages(say, stop) {
  const missing = missingPackages()
  if (missing.length === 0) return
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (!existsSync('/usr/bin/apt-get')) stop(`these programs are missing and this is no Debian or Ubuntu: install what provides ${missing.join(', ')}`)
  if (process.getuid() !== 0) stop(`run as root: ${command}`)
  say(`apt: ${missing.join(' ')} ...`)
  const startMs = performance.now()
  const restore = keepServicesDown()
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (args) => spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
    apt(['update', '-qq'])
    if (!apt(['install', '-y', '-qq', '--no-install-recommends', ...missing.join(' ').split(' ')])) stop(`"${command}" failed; repair what it says above and run the same command again`)
    for (const service of SERVICES) if (missing.some((name) => name.startsWith(service))) disable(service)
  } finally {
    restore()
  }
  say(`apt done in ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
}

/** While packages are installed nobody may start a service: the machine is its owner's, we only want the programs. */
function keepServicesDown() {
  const kept = `${POLICY}.before-ambient`
  if (existsSync(POLICY)) renameSync(POLICY, kept)
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const restore = () => {
    rmSync(POLICY, { force: true })
    if (existsSync(kept)) renameSync(kept, POLICY)
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  const onSignal = () => {
    restore()
    process.exit(130)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return restore
}

function disable(service) {
  if (existsSync('/run/systemd/system')) spawnSync('systemctl', ['disable', '--now', service], { stdio: 'ignore' })
  else spawnSync('update-rc.d', [service, 'disable'], { stdio: 'ignore' })
}
