import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { closeDescriptor, listenOn } from '@ambient/linux'
import { leakedDescriptors, openDescriptors, waitFor } from '@ambient/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownAddresses, tcpTable } from '../src/redirect/pod-connections.ts'
import type { RedirectBackend, RedirectSettings } from '../src/redirect/redirect-backend.ts'
import { describeConnection } from '../src/redirect/tcp-connections.ts'
import { plainSettings as plain } from './redirect-cases.ts'
import { ip } from './node-rules.ts'
import { ScratchNetns } from './scratch-netns.ts'

export interface BackendUnderTest {
  readonly backend: RedirectBackend
  /** A program that takes one rule away, the one that sends what the pod dials over IPv6 to our chain; as somebody else would. */
  readonly breakRule: readonly string[]
  /** What `inspect` must name then. */
  readonly broken: string
  /** A rule of somebody else, which must survive everything. */
  readonly foreignRule: readonly (readonly string[])[]
}

const settings: RedirectSettings = { ...plain, dnsCapture: true }

/** Both ends of the cable out of a pod. */
const cables = [
  {
    family: 'IPv4',
    outside: '169.254.201.1',
    inside: '169.254.201.2',
    bits: 30,
    format: (address: string) => address,
  },
  {
    family: 'IPv6',
    outside: 'fd00:201::1',
    inside: 'fd00:201::2',
    bits: 126,
    format: (address: string) => `[${address}]`,
  },
]
type Cable = (typeof cables)[number]

/** What every redirect backend must do, told once. Needs root. */
export function verifyRedirectBackend(name: string, setup: () => BackendUnderTest): void {
  describe(`redirection by ${name}`, () => {
    let pod: ScratchNetns
    let made: BackendUnderTest
    let backend: RedirectBackend
    beforeEach(() => {
      pod = new ScratchNetns()
      made = setup()
      backend = made.backend
    })
    afterEach(() => pod[Symbol.dispose]())

    test('applies, verifies, stops and removes, and leaves everything as it was', async () => {
      for (const words of made.foreignRule) pod.run(...words)
      const before = pod.everything()
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'absent' })

      const reserved = backend.reservePorts(pod.netns)
      const applied = await backend.apply(pod.netns, settings, 'running')
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'complete' })
      expect(pod.sysctl('net/netfilter/nf_conntrack_tcp_loose')).toBe('0')
      expect(pod.sysctl('net/ipv4/ip_local_reserved_ports')).toBe('15001,15006,15008,15053')
      expect(pod.rules()).toContain('15006')

      const enrolled = pod.everything()
      await backend.apply(pod.netns, settings, 'new')
      expect(pod.everything()).toBe(enrolled)

      await backend.stopRedirecting(pod.netns)
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'draining' })
      expect(pod.rules()).not.toContain('15001')
      expect(pod.rules()).toMatch(/0x0*111/)

      await backend.remove(pod.netns, { ...reserved, ...applied.before })
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'absent' })
      expect(pod.everything()).toBe(before)
    })

    test('leaves no hook of nftables in a netns that had none', async () => {
      const applied = await backend.apply(pod.netns, settings, 'new')
      await backend.remove(pod.netns, applied.before)
      expect(pod.hooks()).toBe('')
    })

    test('names the rule and the route that somebody removed, hears of it, and repairs it', async () => {
      await backend.apply(pod.netns, settings, 'new')
      const first = pod.rules()
      using changes = backend.watch(pod.netns)
      expect(changes.take()).toBe(false)
      pod.run(...made.breakRule)
      expect(changes.take()).toBe(true)
      pod.ip('rule', 'del', 'pref', '32764')
      expect(changes.take()).toBe(true)
      const state = await backend.inspect(pod.netns, settings)
      expect(state).toEqual({ kind: 'partial', missing: [made.broken, 'ipv4: policy routing to table 100'] })
      expect(pod.rules()).not.toBe(first)
      await backend.apply(pod.netns, settings, 'running')
      expect(pod.rules()).toBe(first)
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'complete' })
    })

    test('follows changed settings, and changed back has the rules it began with', async () => {
      await backend.apply(pod.netns, settings, 'new')
      const first = pod.rules()
      const changes: readonly RedirectSettings[] = [
        plain,
        { ...settings, ingressOnly: true },
        { ...settings, virtualInterfaces: ['tap0', 'br+'] },
        { ...settings, ipv6: false },
        settings,
      ]
      for (const changed of changes) {
        expect((await backend.inspect(pod.netns, changed)).kind).toBe('partial')
        await backend.apply(pod.netns, changed, 'new')
        expect(await backend.inspect(pod.netns, changed)).toEqual({ kind: 'complete' })
      }
      expect(pod.rules()).toBe(first)
    })

    test('does without IPv6 routes where lo has no IPv6', async () => {
      pod.sysctls.write(pod.netns, 'net/ipv6/conf/lo/disable_ipv6', '1')
      const applied = await backend.apply(pod.netns, settings, 'new')
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'complete' })
      await backend.remove(pod.netns, applied.before)
      expect(await backend.inspect(pod.netns, settings)).toEqual({ kind: 'absent' })
    })

    test('withdraws what is its own, and leaves ports, routes and settings to the backend that comes after', async () => {
      const before = pod.rules()
      const routes = (): string => `${pod.ip('rule')}${pod.ip('route', 'show', 'table', 'all')}`
      backend.reservePorts(pod.netns)
      await backend.apply(pod.netns, settings, 'running')
      const routed = routes()
      await backend.withdraw(pod.netns)
      expect(pod.rules()).toBe(before)
      expect(routes()).toBe(routed)
      expect(pod.sysctl('net/netfilter/nf_conntrack_tcp_loose')).toBe('0')
      expect(pod.sysctl('net/ipv4/ip_local_reserved_ports')).toContain('15001')
      await backend.remove(pod.netns, {})
      expect(routes()).not.toBe(routed)
    })

    test.each(cables)(
      'keeps and names a connection over $family that was open before; a new one is redirected',
      async (cable) => {
        await using outside = await openOutside(pod, cable)
        await outside.say('before ')
        const { kept } = await backend.apply(pod.netns, settings, 'running')
        expect(kept?.map(describeConnection)).toEqual([expect.stringMatching(/:\d+ -> /)])
        const [from, to] = (kept?.map(describeConnection)[0] ?? '').split(' -> ')
        expect(from?.startsWith(`${cable.format(cable.inside)}:`)).toBe(true)
        expect(to).toBe(`${cable.format(cable.outside)}:${outside.port}`)
        await outside.say('after')

        // A new connection meets the redirect: nobody listens on 15006 here, so it is refused.
        const inbound = pod.netns.enter(() => listenOn({ ip: cable.inside, port: 8080 }))
        const outcome = await dial(8080, cable.inside)
        closeDescriptor(inbound)
        expect(outcome).toBe('ECONNREFUSED')
        expect(tcpTable(pod.netns).map(describeConnection)).toEqual(kept?.map(describeConnection))
      },
    )

    test('leaves no descriptor open', async () => {
      const before = openDescriptors()
      const applied = await backend.apply(pod.netns, settings, 'running')
      backend.watch(pod.netns)[Symbol.dispose]()
      await backend.remove(pod.netns, applied.before)
      await waitFor('pipes of the programs to close', () => leakedDescriptors(before).length === 0)
      expect(leakedDescriptors(before)).toEqual([])
    })
  })
}

interface Outside extends AsyncDisposable {
  readonly port: number
  /** Sends text from the pod to an echo outside of it, and waits until it has come back. */
  say(text: string): Promise<void>
}

/** A cable out of the pod, an echo at its end, and a client in the pod that is connected to it. */
async function openOutside(pod: ScratchNetns, { outside, inside, bits }: Cable): Promise<Outside> {
  const link = `cv${process.pid}`
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.name)
  const nodad = outside.includes(':') ? ['nodad'] : []
  ip('address', 'add', `${outside}/${bits}`, 'dev', link, ...nodad)
  ip('link', 'set', link, 'up')
  pod.ip('address', 'add', `${inside}/${bits}`, 'dev', 'eth0', ...nodad)
  pod.ip('link', 'set', 'eth0', 'up')
  await waitFor('the pod to have its address up', () => ownAddresses(pod.netns).has(inside))
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>((resolve) => server.listen(0, outside, resolve))
  const { port } = server.address() as { port: number }
  const script = `const s=require('net').connect(${port},'${outside}');s.on('data',d=>{process.stdout.write(d)});process.stdin.on('data',d=>s.write(d));s.on('close',()=>process.exit(3))`
  const client = spawn('ip', ['netns', 'exec', pod.name, process.execPath, '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let heard = ''
  client.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()))
  return {
    port,
    say: async (text) => {
      const wanted = heard + text
      client.stdin.write(text)
      await waitFor(`the echo of "${text}"`, () => heard === wanted)
      expect(client.exitCode).toBeNull()
    },
    [Symbol.asyncDispose]: async () => {
      client.kill('SIGKILL')
      await new Promise<void>((resolve) => server.close(() => resolve()))
      ip('link', 'del', link)
    },
  }
}

function dial(port: number, host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy()
      resolve('connected')
    })
    socket.on('error', (cause) => resolve((cause as NodeJS.ErrnoException).code ?? ''))
  })
}
