import type { RedirectSettings } from './redirect-backend.ts'

export type IpFamily = 'ipv4' | 'ipv6'
export type IptablesTable = 'mangle' | 'nat' | 'raw'

/** One rule, appended to `chain`; `match` and `target` are written as `iptables-save` prints them. */
export interface IptablesRule {
  readonly table: IptablesTable
  readonly chain: string
  readonly match: string
  readonly target: string
}

const PREROUTING_CHAIN = 'ISTIO_PRERT'
const OUTPUT_CHAIN = 'ISTIO_OUTPUT'

/** Ports of ztunnel in the pod's netns; outbound, inbound plaintext, HBONE, DNS. */
export const redirectPorts = {
  outbound: 15001,
  inboundPlaintext: 15006,
  inboundHbone: 15008,
  dns: 15053,
} as const

const FROM_ZTUNNEL = '-m mark --mark 0x539/0xfff'
const NOT_FROM_ZTUNNEL = '-m mark ! --mark 0x539/0xfff'
const TO_OUTBOUND = `REDIRECT --to-ports ${redirectPorts.outbound}`
const TO_INBOUND = `REDIRECT --to-ports ${redirectPorts.inboundPlaintext}`
const TO_DNS = `REDIRECT --to-ports ${redirectPorts.dns}`

/**
 * The rules of one pod and family, in the order in which they are appended. The order decides: the probe before the redirect,
 * ztunnel's own connections before the general case. Pure.
 *
 * @see Istio `cni/pkg/iptables/iptables.go`; the loop-back match is the /32 (/128) only, the rest of 127/8 leaves by `-o lo`.
 */
export function redirectRules(family: IpFamily, settings: RedirectSettings): readonly IptablesRule[] {
  const address = addressesOf(family, settings)
  return [...mangleRules(), ...natRules(address, settings), ...(settings.dnsCapture ? rawRules() : [])]
}

interface Addresses {
  readonly probe: string
  readonly notLoopback: string
}

function addressesOf(family: IpFamily, { probe }: RedirectSettings): Addresses {
  return family === 'ipv4'
    ? { probe: `${probe.v4}/32`, notLoopback: '! -d 127.0.0.1/32' }
    : { probe: `${probe.v6}/128`, notLoopback: '! -d ::1/128' }
}

function mangleRules(): readonly IptablesRule[] {
  return [
    rule('mangle', 'PREROUTING', '', PREROUTING_CHAIN),
    rule('mangle', 'OUTPUT', '', OUTPUT_CHAIN),
    // ztunnel dials the app with the client's address: remember the connection, so that the answers come back over lo (policy-routing.ts)
    rule('mangle', PREROUTING_CHAIN, FROM_ZTUNNEL, 'CONNMARK --set-xmark 0x111/0xfff'),
    rule(
      'mangle',
      OUTPUT_CHAIN,
      '-m connmark --mark 0x111/0xfff',
      'CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    ),
  ]
}

function natRules({ probe, notLoopback }: Addresses, settings: RedirectSettings): readonly IptablesRule[] {
  return [
    rule('nat', 'OUTPUT', '', OUTPUT_CHAIN),
    rule('nat', 'PREROUTING', '', PREROUTING_CHAIN),
    ...settings.virtualInterfaces.flatMap((name) => [
      rule('nat', PREROUTING_CHAIN, `-i ${name} -p tcp`, TO_OUTBOUND),
      rule('nat', PREROUTING_CHAIN, `-i ${name} -p tcp`, 'RETURN'), // never reached; upstream has it, and an upgrade compares
    ]),
    ...(settings.ingressOnly ? [] : [rule('nat', PREROUTING_CHAIN, `-s ${probe} -p tcp -m tcp`, 'ACCEPT')]),
    rule('nat', OUTPUT_CHAIN, `-d ${probe} -p tcp -m tcp`, 'ACCEPT'),
    ...(settings.ingressOnly
      ? []
      : [
          rule(
            'nat',
            PREROUTING_CHAIN,
            `${notLoopback} -p tcp -m tcp ! --dport ${redirectPorts.inboundHbone} ${NOT_FROM_ZTUNNEL}`,
            TO_INBOUND,
          ),
        ]),
    ...(settings.dnsCapture
      ? [
          rule('nat', OUTPUT_CHAIN, `! -o lo -p udp ${NOT_FROM_ZTUNNEL} -m udp --dport 53`, TO_DNS),
          rule('nat', OUTPUT_CHAIN, `${notLoopback} -p tcp -m tcp --dport 53 ${NOT_FROM_ZTUNNEL}`, TO_DNS),
        ]
      : []),
    rule('nat', OUTPUT_CHAIN, '-p tcp -m mark --mark 0x111/0xfff', 'ACCEPT'),
    rule('nat', OUTPUT_CHAIN, `${notLoopback} -o lo`, 'ACCEPT'), // the app to its own address stays direct
    rule('nat', OUTPUT_CHAIN, `${notLoopback} -p tcp ${NOT_FROM_ZTUNNEL}`, TO_OUTBOUND),
  ]
}

/** ztunnel's own DNS queries live in conntrack zone 1: one source port may carry both an app's redirected query and ztunnel's. */
function rawRules(): readonly IptablesRule[] {
  return [
    rule('raw', 'PREROUTING', '', PREROUTING_CHAIN),
    rule('raw', 'OUTPUT', '', OUTPUT_CHAIN),
    rule('raw', OUTPUT_CHAIN, `-p udp ${FROM_ZTUNNEL} -m udp --dport 53`, 'CT --zone 1'),
    rule('raw', PREROUTING_CHAIN, `-p udp ${NOT_FROM_ZTUNNEL} -m udp --sport 53`, 'CT --zone 1'),
  ]
}

function rule(table: IptablesTable, chain: string, match: string, target: string): IptablesRule {
  return { table, chain, match, target }
}
