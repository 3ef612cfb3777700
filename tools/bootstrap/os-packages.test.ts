import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { installOsPackages, missingPackages, type OsDeps, tidyUp } from './os-packages.mjs'

/** Does what the real one does to the machine: programs, a unit and a run level link, and asks before it starts a service. */
const APT = `#!/bin/sh
cd "$MACHINE" || exit 1
echo "$*" >> calls
case "$*" in *--print-uris*) echo "'somewhere' nginx.deb 1500000 SHA256:0"; exit 0 ;; esac
case "$*" in *--no-download*) ;; *) exit 0 ;; esac
[ ! -e hang ] || { touch hanging; while [ -e hang ]; do sleep 0.05; done; }
usr/sbin/policy-rc.d nginx start || touch kept-down
mkdir -p usr/bin usr/sbin usr/include/bpf usr/lib/cni etc/systemd/system/multi-user.target.wants etc/rc3.d
for program in iptables-restore nft ipset ip tcpdump nginx redis-server redis-cli curl dnsmasq gcc clang conntrack nsenter ps; do touch usr/bin/$program; done
touch usr/include/stdio.h usr/include/bpf/bpf_helpers.h usr/lib/cni/bridge
ln -sf /lib/nginx.service etc/systemd/system/multi-user.target.wants/nginx.service
ln -sf ../init.d/redis-server etc/rc3.d/S01redis-server
[ ! -e break ]
`
const OWN_POLICY = '#!/bin/sh\nexit 0 # the owner of this machine wrote this\n'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ambient-os-'))
  for (const name of ['apt-get', 'apt-cache', 'dpkg'])
    place(`usr/bin/${name}`, name === 'apt-get' ? APT : '#!/bin/sh\necho nginx-light\n')
  place('etc/systemd/system/multi-user.target.wants/ssh.service', '')
  place('toolchain/empty', '')
})
afterEach(() => rmSync(root, { recursive: true }))

function place(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
  chmodSync(join(root, path), 0o755)
}

function machine(isSuperuser = true): OsDeps {
  const env = { MACHINE: root, PATH: `${join(root, 'usr/bin')}:${process.env['PATH']}` }
  return { root, toolchain: join(root, 'toolchain'), isSuperuser, env }
}

function wanted(): readonly string[] {
  return readdirSync(join(root, 'etc/systemd/system/multi-user.target.wants'))
}

function policy(): string | undefined {
  const path = join(root, 'usr/sbin/policy-rc.d')
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

test('installOsPackages() gives an ordinary user the exact command', async () => {
  const command =
    /^programs are missing, run: sudo apt-get install -y --no-install-recommends iptables .*containernetworking-plugins$/
  await expect(installOsPackages(machine(false))).rejects.toThrow(command)
})

test('installOsPackages() says what to do on a system without apt', async () => {
  rmSync(join(root, 'usr/bin/apt-get'))
  await expect(installOsPackages(machine())).rejects.toThrow(
    'use Debian or Ubuntu, or install what provides iptables',
  )
})

test('installOsPackages() starts and enables no service, and leaves what was enabled before', async () => {
  await installOsPackages(machine())
  expect(missingPackages(root)).toEqual([])
  expect(existsSync(join(root, 'kept-down'))).toBe(true)
  expect(wanted()).toEqual(['ssh.service'])
  expect(readdirSync(join(root, 'etc/rc3.d'))).toEqual([])
  expect(policy()).toBeUndefined()
})

test('installOsPackages() leaves a machine alone on which nothing is missing', async () => {
  await installOsPackages(machine())
  symlinkSync('/lib/redis.service', join(root, 'etc/systemd/system/multi-user.target.wants/redis.service'))
  rmSync(join(root, 'calls'))
  await installOsPackages(machine())
  expect(existsSync(join(root, 'calls'))).toBe(false)
  expect(wanted()).toContain('redis.service')
})

test('installOsPackages() installs other programs when it is given those', async () => {
  const needs = { programs: [['dnsmasq', 'dnsmasq-base']], files: [['usr/lib/cni/bridge', 'plugins']] }
  await installOsPackages(machine(), needs)
  expect(readFileSync(join(root, 'calls'), 'utf8')).toMatch(/--no-download dnsmasq-base plugins$/m)
})

test('installOsPackages() puts an existing service policy back', async () => {
  place('usr/sbin/policy-rc.d', OWN_POLICY)
  await installOsPackages(machine())
  expect(policy()).toBe(OWN_POLICY)
  expect(existsSync(join(root, 'kept-down'))).toBe(true)
})

test('installOsPackages() puts the policy back when apt fails, and the next run disables what the failed one enabled', async () => {
  place('usr/sbin/policy-rc.d', OWN_POLICY)
  place('break', '')
  await expect(installOsPackages(machine())).rejects.toThrow('apt-get update && apt-get install -y')
  expect(policy()).toBe(OWN_POLICY)
  rmSync(join(root, 'break'))
  await installOsPackages(machine())
  expect(wanted()).toEqual(['ssh.service'])
  expect(readdirSync(join(root, 'toolchain'))).toEqual(['empty'])
})

test('installOsPackages() lets apt finish on Ctrl-C, puts the policy back and ends with 130', async () => {
  place('usr/sbin/policy-rc.d', OWN_POLICY)
  place('hang', '')
  const modules = ['os-packages', 'run-command'].map((name) =>
    JSON.stringify(join(import.meta.dirname, `${name}.mjs`)),
  )
  const script = `
    import { installOsPackages } from ${modules[0]}
    import { watchForInterrupts } from ${modules[1]}
    watchForInterrupts()
    await installOsPackages(${JSON.stringify(machine())}).catch((error) => process.exit(error.exitCode))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' })
  await expect
    .poll(() => existsSync(join(root, 'hanging')), { timeout: 10_000, message: 'apt to begin' })
    .toBe(true)
  expect(policy()).not.toBe(OWN_POLICY)
  child.kill('SIGINT')
  rmSync(join(root, 'hang'))
  expect(await once(child, 'exit')).toEqual([130, null])
  expect(missingPackages(root)).toEqual([])
  expect(policy()).toBe(OWN_POLICY)
})

test('tidyUp() puts back the policy that a killed run left aside', () => {
  place('usr/sbin/policy-rc.d.before-ambient-mesh', OWN_POLICY)
  place(
    'usr/sbin/policy-rc.d',
    '#!/bin/sh\n# placed for the length of one installation by the set-up of the ambient mesh\nexit 101\n',
  )
  tidyUp(machine())
  expect(policy()).toBe(OWN_POLICY)
})
