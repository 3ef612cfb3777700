import { expect, test } from 'vitest'
import { readRedirectOptions } from './redirect-options.ts'

test.each([
  { what: 'nothing', flag: undefined, env: {}, mode: 'iptables', forced: undefined },
  { what: 'the flag', flag: 'nftables', env: {}, mode: 'nftables', forced: undefined },
  {
    what: 'its variable',
    flag: undefined,
    env: { REDIRECT_MODE: 'nftables' },
    mode: 'nftables',
    forced: undefined,
  },
  {
    what: 'upstream’s name',
    flag: undefined,
    env: { NATIVE_NFTABLES: 'true' },
    mode: 'nftables',
    forced: undefined,
  },
  {
    what: 'both, agreeing',
    flag: 'nftables',
    env: { NATIVE_NFTABLES: 'true' },
    mode: 'nftables',
    forced: undefined,
  },
  {
    what: 'upstream’s name as its chart always has it',
    flag: 'nftables',
    env: { NATIVE_NFTABLES: 'false' },
    mode: 'nftables',
    forced: undefined,
  },
  {
    what: 'a flavour',
    flag: undefined,
    env: { FORCE_IPTABLES_BINARY: 'legacy' },
    mode: 'iptables',
    forced: 'legacy',
  },
  {
    what: 'a flavour with its mode',
    flag: 'iptables',
    env: { FORCE_IPTABLES_BINARY: 'nft' },
    mode: 'iptables',
    forced: 'nft',
  },
])('readRedirectOptions() takes $what for $mode', ({ flag, env, mode, forced }) => {
  expect(readRedirectOptions(flag, env)).toEqual({ mode, forcedIptables: forced, scopedLocks: true })
})

test.each([
  {
    flag: 'iptables',
    env: { NATIVE_NFTABLES: 'true' },
    says: 'Cannot use NATIVE_NFTABLES "true": it asks for nftables, and --redirect-mode "iptables" for iptables; leave one of them out',
  },
  {
    flag: 'nftables',
    env: { FORCE_IPTABLES_BINARY: 'legacy' },
    says: 'Cannot use FORCE_IPTABLES_BINARY "legacy": it asks for iptables, and --redirect-mode "nftables" for nftables; leave one of them out',
  },
  {
    flag: undefined,
    env: { NATIVE_NFTABLES: '1', FORCE_IPTABLES_BINARY: 'nft' },
    says: 'Cannot use FORCE_IPTABLES_BINARY "nft": it asks for iptables, and NATIVE_NFTABLES "true" for nftables; leave one of them out',
  },
  {
    flag: 'nftables',
    env: { REDIRECT_MODE: 'iptables' },
    says: 'Cannot use REDIRECT_MODE "iptables": it asks for iptables, and --redirect-mode "nftables" for nftables; leave one of them out',
  },
  { flag: 'ebpf', env: {}, says: 'Cannot use --redirect-mode "ebpf": expected iptables or nftables' },
  {
    flag: undefined,
    env: { FORCE_IPTABLES_BINARY: 'both' },
    says: 'Cannot use FORCE_IPTABLES_BINARY "both": expected legacy or nft',
  },
])('readRedirectOptions() refuses --redirect-mode $flag with $env, in one line', ({ flag, env, says }) => {
  expect(() => readRedirectOptions(flag, env)).toThrow(says)
})
