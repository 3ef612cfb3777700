import { spawn } from 'node:child_process'
import type { NetworkNamespace } from '@ambient/linux'
import { requireRoot, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { iptablesPrograms } from '../src/redirect/choose-iptables.ts'
import type { HostProbe } from '../src/redirect/host-probe.ts'
import { IptablesHostProbe } from '../src/redirect/iptables-host-probe.ts'
import { NftHostProbe } from '../src/redirect/nft-host-probe.ts'
import { createProgramRunner } from '../src/redirect/run-program.ts'
import { plainSettings } from './redirect-cases.ts'
import { ip } from './node-rules.ts'
import { ScratchNetns } from './scratch-netns.ts'

requireRoot()
const installed = { legacy: true, nft: true, plain: undefined }
const run = createProgramRunner({ maxRunning: 4, maxOutputBytes: 1 << 20, deadlineMs: 10_000 })
const { probe } = plainSettings

interface Kind {
  readonly name: string
  readonly make: (hostNetns: NetworkNamespace) => HostProbe
  /** Takes the rule away as somebody else would. */
  readonly breakRule: readonly string[]
}

const kinds: readonly Kind[] = [
  ...(['nft', 'legacy'] as const).map((flavour) => ({
    name: `IptablesHostProbe, ${flavour}`,
    make: (hostNetns: NetworkNamespace) =>
      new IptablesHostProbe({
        run,
        hostNetns,
        probe,
        ipv6: true,
        programs: iptablesPrograms(flavour, installed),
      }),
    breakRule: [`ip6tables-${flavour}`, '-t', 'nat', '-F', 'POSTROUTING'],
  })),
  {
    name: 'NftHostProbe',
    make: (hostNetns) => new NftHostProbe({ run, hostNetns, probe, ipv6: true, kubeletUid: () => 0 }),
    breakRule: ['nft', 'flush', 'chain', 'inet', 'istio-ambient-nat', 'postrouting'],
  },
]

describe.each(kinds)('$name', ({ make, breakRule }) => {
  let node: ScratchNetns
  let host: HostProbe
  beforeEach(() => {
    node = new ScratchNetns()
    host = make(node.netns)
  })
  afterEach(() => node[Symbol.dispose]())

  test('makes, keeps and removes its set and rule', async () => {
    const before = node.everything()
    expect(await host.ensure()).toBe(true)
    const made = node.everything()
    expect(made).toContain('169.254.7.127')
    expect(await host.ensure()).toBe(false)
    expect(node.everything()).toBe(made)

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
    await host.removeAll()
    expect(node.everything()).toBe(before)
    expect(node.run('ipset', 'save')).toBe('')
  })

  test('hears of a rule that somebody removed, and puts it back without losing an address', async () => {
    await host.ensure()
    await host.add([{ ip: '10.9.0.1', uid: 'a' }])
    const made = node.everything()
    using changes = host.watch()
    expect(changes.take()).toBe(false)
    node.run(...breakRule)
    expect(changes.take()).toBe(true)
    expect(await host.ensure()).toBe(true)
    expect(node.everything()).toBe(made)
    expect(await host.list()).toEqual([{ ip: '10.9.0.1', uid: 'a' }])
  })

  test.each([
    { family: 'IPv4', pod: '169.254.202.2', other: '169.254.203.2', source: '169.254.7.127' },
    { family: 'IPv6', pod: 'fd02::2', other: 'fd03::2', source: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff' },
  ])(
    'gives a probe of the node its source over $family, and to a pod of the set only',
    async ({ pod, other, source }) => {
      using peer = new ScratchNetns()
      cable(node, peer)
      await host.ensure()
      await host.add([{ ip: pod, uid: 'a' }])
      const server = spawn('ip', ['netns', 'exec', peer.name, process.execPath, '-e', SAY_PEER], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let said = ''
      server.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
      try {
        await waitFor('the pod to listen', () => said.includes('up'))
        const ask = (ipAddress: string): string => node.run(process.execPath, '-e', ASK, ipAddress)
        expect(ask(pod)).toBe(source)
        expect(ask(other)).not.toBe(source)
      } finally {
        server.kill('SIGKILL')
      }
    },
  )
})

const SAY_PEER = `require('net').createServer(s=>s.end(s.remoteAddress.replace('::ffff:',''))).listen(80,'::',()=>console.log('up'))`
const ASK = `require('net').connect(80,process.argv[1]).pipe(process.stdout)`

/** A cable with two pods' addresses at its end, and the way back for what comes from the probe address. */
function cable(node: ScratchNetns, peer: ScratchNetns): void {
  ip('link', 'add', 'veth0', 'netns', node.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name)
  for (const [netns, device, address] of [
    [node, 'veth0', 1],
    [peer, 'eth0', 2],
  ] as const) {
    for (const network of ['169.254.202', '169.254.203'])
      netns.ip('address', 'add', `${network}.${address}/24`, 'dev', device)
    for (const network of ['fd02::', 'fd03::'])
      netns.ip('-6', 'address', 'add', `${network}${address}/64`, 'dev', device, 'nodad')
    netns.ip('link', 'set', device, 'up')
  }
  peer.ip('route', 'add', 'default', 'via', '169.254.202.1')
  peer.ip('-6', 'route', 'add', 'default', 'via', 'fd02::1')
}
