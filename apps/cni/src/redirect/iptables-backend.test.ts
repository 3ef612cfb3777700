import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  closeDescriptor,
  listenOn,
  localAddress,
  MESH_MARK,
  NetworkNamespace,
  startConnect,
  tcpSocket,
} from '@ambient/linux'
import { leakedDescriptors, openDescriptors, requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { HostProbe } from './host-probe.ts'
import { IptablesBackend, ownAddresses, tcpTable } from './iptables-backend.ts'
import { podSysctls } from './pod-sysctls.ts'
import type { RedirectSettings } from './redirect-backend.ts'
import { createProgramRunner } from './run-program.ts'
import { describeConnection, parseMarkedSockets } from './tcp-connections.ts'

requireRoot()
const settings: RedirectSettings = {
  ipv6: true,
  dnsCapture: true,
  ingressOnly: false,
  virtualInterfaces: [],
  probe: { v4: '169.254.7.127', v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' },
}
const run = createProgramRunner({ maxRunning: 4, maxOutputBytes: 1 << 20, deadlineMs: 10_000 })
const sysctls = podSysctls('/proc')
const name = `cnird${process.pid}`
const sh = (...words: string[]): string =>
  execFileSync('ip', ['netns', 'exec', name, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8' })
let netns: NetworkNamespace
let backend: IptablesBackend
let lockDirectory: string

beforeEach(() => {
  ip('netns', 'add', name)
  ip('-n', name, 'link', 'set', 'lo', 'up')
  netns = NetworkNamespace.open(`/run/netns/${name}`)
  lockDirectory = mkdtempSync(join(tmpdir(), 'cni-lock-'))
  backend = new IptablesBackend({ run, sysctls, lockDirectory })
})
afterEach(() => {
  netns[Symbol.dispose]()
  ip('netns', 'del', name)
  expect(readdirSync(lockDirectory)).toEqual([])
  rmSync(lockDirectory, { recursive: true })
})

/** Everything the agent may change, in words; tables without a rule, a chain or a policy are as good as absent. */
function everything(): string {
  const rules = ['iptables-save', 'ip6tables-save'].map((program) =>
    sh(program)
      .split('\n')
      .filter(
        (line) =>
          !line.startsWith('#') && !/^:\w+ ACCEPT/.test(line) && line !== 'COMMIT' && !line.startsWith('*'),
      )
      .join('\n'),
  )
  const routes = ['-4', '-6'].flatMap((family) => [
    ip('-n', name, family, 'rule'),
    ip('-n', name, family, 'route', 'show', 'table', 'all'),
  ])
  const values = ['net/ipv4/ip_local_reserved_ports', 'net/netfilter/nf_conntrack_tcp_loose'].map((each) =>
    sysctls.read(netns, each),
  )
  return [...rules, ...routes, ...values].join('\n--\n')
}
const hooks = (): string => sh('nft', 'list', 'ruleset').replace(/^table .*\{\n\}\n/gm, '')

test('IptablesBackend applies, verifies, stops and removes, and leaves everything as it was', async () => {
  sh('iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '-j', 'RETURN') // somebody else's
  const before = everything()
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'absent' })

  const reserved = backend.reservePorts(netns)
  const applied = await backend.apply(netns, settings, 'running')
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'complete' })
  expect(sysctls.read(netns, 'net/netfilter/nf_conntrack_tcp_loose')).toBe('0')
  expect(sysctls.read(netns, 'net/ipv4/ip_local_reserved_ports')).toBe('15001,15006,15008,15053')
  expect(sh('iptables-save', '-t', 'nat')).toContain('--to-ports 15006')
  expect(sh('ip6tables-save', '-t', 'nat')).toContain('! -d ::1/128')

  const enrolled = everything()
  await backend.apply(netns, settings, 'new')
  expect(everything()).toBe(enrolled)

  await backend.stopRedirecting(netns)
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'draining' })
  expect(sh('iptables-save', '-t', 'nat')).not.toContain('ISTIO')
  expect(sh('iptables-save', '-t', 'mangle')).toContain('ISTIO_OUTPUT')

  await backend.remove(netns, { ...reserved, ...applied.before })
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'absent' })
  expect(everything()).toBe(before)
})

test('IptablesBackend leaves no netfilter hook in a netns that had none', async () => {
  const applied = await backend.apply(netns, settings, 'new')
  expect(hooks()).toContain('hook prerouting')
  await backend.remove(netns, applied.before)
  expect(hooks()).toBe('')
})

test('IptablesBackend.inspect() names the rule that somebody removed, and apply() repairs it', async () => {
  await backend.apply(netns, settings, 'new')
  sh('ip6tables', '-t', 'nat', '-D', 'OUTPUT', '-j', 'ISTIO_OUTPUT')
  ip('-n', name, 'rule', 'del', 'pref', '32764')
  expect(await backend.inspect(netns, settings)).toEqual({
    kind: 'partial',
    missing: ['ipv4: policy routing to table 100', 'ipv6: nat OUTPUT -j ISTIO_OUTPUT'],
  })
  await backend.apply(netns, settings, 'new')
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'complete' })
})

test('IptablesBackend does without IPv6 routes where lo has no IPv6', async () => {
  sysctls.write(netns, 'net/ipv6/conf/lo/disable_ipv6', '1')
  const applied = await backend.apply(netns, settings, 'new')
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'complete' })
  await backend.remove(netns, applied.before)
  expect(await backend.inspect(netns, settings)).toEqual({ kind: 'absent' })
})

test('IptablesBackend keeps and names a connection that was open before; a new one is redirected', async () => {
  const link = `cv${process.pid}`
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('address', 'add', '169.254.201.1/30', 'dev', link)
  ip('link', 'set', link, 'up')
  ip('-n', name, 'address', 'add', '169.254.201.2/30', 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  await waitFor('the pod to have its address up', () => ownAddresses(netns).has('169.254.201.2'))
  // An echo outside the pod, and a client inside of it.
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => server.listen(0, '169.254.201.1', resolve))
  const { port } = server.address() as { port: number }
  const script = `const s=require('net').connect(${port},'169.254.201.1');s.on('data',d=>{process.stdout.write(d)});process.stdin.on('data',d=>s.write(d));s.on('close',()=>process.exit(3))`
  const { spawn } = await import('node:child_process')
  const client = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let heard = ''
  client.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  try {
    client.stdin.write('before ')
    await waitFor('the first echo', () => heard === 'before ')
    const { kept } = await backend.apply(netns, settings, 'running')
    expect(kept?.map(describeConnection)).toEqual([
      expect.stringMatching(new RegExp(`^169.254.201.2:\\d+ -> 169.254.201.1:${port}$`)),
    ])
    client.stdin.write('after')
    await waitFor('an echo on the kept connection', () => heard === 'before after')
    expect(client.exitCode).toBeNull()

    // A new connection meets the redirect: nobody listens on 15006 or 15001 here, so it is refused.
    const inbound = netns.enter(() => listenOn({ ip: '169.254.201.2', port: 8080 }))
    const outcome = await new Promise<string>((resolve) => {
      const socket: Socket = connect(8080, '169.254.201.2', () => resolve('connected'))
      socket.on('error', (cause) => resolve((cause as NodeJS.ErrnoException).code ?? ''))
    })
    closeDescriptor(inbound)
    expect(outcome).toBe('ECONNREFUSED')
    expect(tcpTable(netns).map(describeConnection)).toEqual(kept?.map(describeConnection))
  } finally {
    client.kill('SIGKILL')
    server.close()
    ip('link', 'del', link)
  }
})

test('HostProbe makes, keeps and removes its set and rule', async () => {
  const before = everything()
  const host = new HostProbe({ run, hostNetns: netns, probe: settings.probe, ipv6: true })
  await host.ensure()
  const made = everything()
  expect(made).toContain('-A POSTROUTING -j ISTIO_POSTRT')
  await host.ensure()
  expect(everything()).toBe(made)

  await host.add([
    { ip: '10.9.0.1', uid: 'old' },
    { ip: 'fd00::1', uid: 'old' },
  ])
  await host.add([{ ip: '10.9.0.1', uid: 'new' }])
  expect(await host.list()).toEqual([
    { ip: '10.9.0.1', uid: 'new' },
    { ip: 'fd00::1', uid: 'old' },
  ])
  await host.remove([
    { ip: '10.9.0.1', uid: 'old' },
    { ip: 'fd00::1', uid: 'old' },
  ])
  expect(await host.list()).toEqual([{ ip: '10.9.0.1', uid: 'new' }])

  await host.removeAll()
  expect(everything()).toBe(before)
  expect(sh('ipset', 'save')).toBe('')
})

test('IptablesBackend leaves no descriptor open', async () => {
  const before = openDescriptors()
  const applied = await backend.apply(netns, settings, 'running')
  await backend.remove(netns, applied.before)
  await waitFor('pipes of the programs to close', () => leakedDescriptors(before).length === 0)
  expect(leakedDescriptors(before)).toEqual([])
})

test('IptablesBackend finds the mark of ztunnel on its connections', async () => {
  const listening = netns.enter(() => listenOn({ ip: '127.0.0.1', port: 7000 }))
  const [marked, plain] = netns.enter(() => [tcpSocket({ mark: MESH_MARK }), tcpSocket()] as const)
  for (const fd of [marked, plain]) startConnect(fd, { ip: '127.0.0.1', port: 7000 })
  await waitFor('both connections', () => tcpTable(netns).length === 4)
  const found = parseMarkedSockets(sh('ss', '--tcp', '--numeric', '--no-header', '--extended'))
  expect(found).toEqual([{ local: localAddress(marked), remote: { ip: '127.0.0.1', port: 7000 } }])
  for (const fd of [listening, marked, plain]) closeDescriptor(fd)
})
