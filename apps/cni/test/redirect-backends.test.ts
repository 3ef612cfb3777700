import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { requireRoot } from '@ambient/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { iptablesPrograms } from '../src/redirect/choose-iptables.ts'
import { IptablesRules } from '../src/redirect/iptables-rules.ts'
import { NetfilterBackend } from '../src/redirect/netfilter-backend.ts'
import { NftRules } from '../src/redirect/nft-rules.ts'
import { podSysctls } from '../src/redirect/pod-sysctls.ts'
import { createProgramRunner, type RunProgram } from '../src/redirect/run-program.ts'
import { plainSettings } from './redirect-cases.ts'
import { ScratchNetns } from './scratch-netns.ts'
import { verifyRedirectBackend } from './verify-redirect-backend.ts'

requireRoot()
const installed = { legacy: true, nft: true, plain: undefined }
const run = createProgramRunner({ maxRunning: 4, maxOutputBytes: 1 << 20, deadlineMs: 10_000 })
const sysctls = podSysctls('/proc')
let lockDirectory: string

beforeEach(() => {
  lockDirectory = mkdtempSync(join(tmpdir(), 'cni-lock-'))
})
afterEach(() => {
  expect(readdirSync(lockDirectory)).toEqual([])
  rmSync(lockDirectory, { recursive: true })
})

for (const flavour of ['nft', 'legacy'] as const) {
  verifyRedirectBackend(`iptables-${flavour}`, () => ({
    backend: new NetfilterBackend({
      sysctls,
      rules: new IptablesRules(iptablesPrograms(flavour, installed), { run, lockDirectory }),
    }),
    breakRule: [`ip6tables-${flavour}`, '-t', 'nat', '-D', 'OUTPUT', '-j', 'ISTIO_OUTPUT'],
    broken: 'ipv6: nat OUTPUT -j ISTIO_OUTPUT',
    foreignRule: [[`iptables-${flavour}`, '-t', 'nat', '-A', 'OUTPUT', '-p', 'udp', '-j', 'RETURN']],
  }))
}

verifyRedirectBackend('nftables', () => ({
  backend: new NetfilterBackend({ sysctls, rules: new NftRules({ run, maxReferences: 4 }) }),
  breakRule: ['nft', 'flush', 'chain', 'inet', 'istio-ambient-nat', 'output'],
  broken: 'istio-ambient-nat output jump istio-output',
  foreignRule: [
    ['nft', 'add', 'table', 'inet', 'theirs'],
    ['nft', 'add', 'chain', 'inet', 'theirs', 'out', '{ type nat hook output priority -99; }'],
    ['nft', 'add', 'rule', 'inet', 'theirs', 'out', 'udp', 'dport', '9', 'return'],
  ],
}))

test.each([
  { name: 'iptables-nft', flavour: 'nft', programs: ['restore', 'restore', 'save', 'save'] },
  { name: 'iptables-legacy', flavour: 'legacy', programs: ['restore', 'restore', 'save', 'save'] },
  { name: 'nftables', flavour: undefined, programs: ['nft', 'nft'] },
] as const)(
  'a pod that nobody wrote rules for takes few programs by $name',
  async ({ flavour, programs }) => {
    const seen: string[] = []
    const counting: RunProgram = (words, options) => {
      seen.push(words[0]?.split('-').at(-1) ?? '')
      return run(words, options)
    }
    const rules =
      flavour === undefined
        ? new NftRules({ run: counting, maxReferences: 4 })
        : new IptablesRules(iptablesPrograms(flavour, installed), { run: counting, lockDirectory })
    const backend = new NetfilterBackend({ sysctls, rules })
    using first = new ScratchNetns() // nftables' reference is made once for all pods
    await backend.apply(first.netns, plainSettings, 'new')
    seen.length = 0
    using second = new ScratchNetns()
    await backend.apply(second.netns, plainSettings, 'running')
    expect(seen.toSorted()).toEqual(programs)
  },
)
