import type { RedirectSettings } from './redirect-backend.ts'
import { redirectPorts } from './redirect-rules.ts'

/** Tables of ours in a pod, all of the family `inet`; the names are upstream's. */
export const nftTables = ['istio-ambient-mangle', 'istio-ambient-nat', 'istio-ambient-raw'] as const
export type NftTable = (typeof nftTables)[number]

const FROM_ZTUNNEL = 'meta mark & 0xfff == 0x539'
const NOT_FROM_ZTUNNEL = 'meta mark & 0xfff != 0x539'
const TO_OUTBOUND = `counter redirect to :${redirectPorts.outbound}`
const TO_INBOUND = `counter redirect to :${redirectPorts.inboundPlaintext}`
const TO_DNS = `counter redirect to :${redirectPorts.dns}`

interface Chain {
  readonly name: string
  /** Of a base chain: where the kernel calls it. */
  readonly hook?: string
  readonly rules: readonly string[]
}

/**
 * What `nft -f` needs so that the tables hold exactly the rules of `settings`, whatever they held before: one transaction, so
 * that no packet meets half of it. The order of rules decides, as in `redirectRules`. Pure.
 *
 * @see Istio `cni/pkg/nftables/nftables.go`
 */
export function nftScript(settings: RedirectSettings): string {
  const chains = chainsOf(settings)
  return nftTables.flatMap((table) => tableLines(table, chains[table])).join('\n') + '\n'
}

/** What takes `tables` away, each of which is there. Pure. */
export function nftRemoval(tables: readonly string[]): string {
  return tables.map((table) => `delete table inet ${table}\n`).join('')
}

/** What takes the redirects away and leaves the hooks: without them, what is redirected already would lose its translation. Pure. */
export const nftStopScript: string = 'flush table inet istio-ambient-nat\n'

function tableLines(table: NftTable, chains: readonly Chain[]): readonly string[] {
  const replace = [`add table inet ${table}`, `delete table inet ${table}`]
  if (chains.length === 0) return replace
  return [
    ...replace,
    `add table inet ${table}`,
    ...chains.map(
      ({ name, hook }) => `add chain inet ${table} ${name}${hook === undefined ? '' : ` { ${hook} }`}`,
    ),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `add rule inet ${table} ${name} ${rule}`)),
  ]
}

function chainsOf(settings: RedirectSettings): Readonly<Record<NftTable, readonly Chain[]>> {
  return {
    'istio-ambient-mangle': hooked({ type: 'filter', outputType: 'route', priority: -150 }, mangleRules),
    'istio-ambient-nat': hooked({ type: 'nat', outputType: 'nat', priority: -100 }, natRules(settings)),
    'istio-ambient-raw': settings.dnsCapture
      ? hooked({ type: 'filter', outputType: 'filter', priority: -300 }, rawRules)
      : [],
  }
}

interface OurRules {
  readonly prerouting: readonly string[]
  readonly output: readonly string[]
}

interface HookPlace {
  readonly type: string
  readonly outputType: string
  readonly priority: number
}

/** The output chain of mangle is of type `route`: only then is a packet routed again after its mark has changed. */
function hooked(at: HookPlace, rules: OurRules): readonly Chain[] {
  const hook = (type: string, name: string): string =>
    `type ${type} hook ${name} priority ${at.priority}; policy accept;`
  return [
    { name: 'prerouting', hook: hook(at.type, 'prerouting'), rules: ['jump istio-prerouting'] },
    { name: 'output', hook: hook(at.outputType, 'output'), rules: ['jump istio-output'] },
    { name: 'istio-prerouting', rules: rules.prerouting },
    { name: 'istio-output', rules: rules.output },
  ]
}

const mangleRules: OurRules = {
  // ztunnel dials the app with the client's address: remember the connection, so that the answers come back over lo (policy-routing.ts)
  prerouting: [`${FROM_ZTUNNEL} counter ct mark set ct mark & 0xfffff000 | 0x111`],
  output: ['ct mark & 0xfff == 0x111 counter meta mark set ct mark'],
}

/** ztunnel's own DNS queries live in conntrack zone 1: one source port may carry both an app's redirected query and ztunnel's. */
const rawRules: OurRules = {
  prerouting: [`udp sport 53 ${NOT_FROM_ZTUNNEL} counter ct zone set 1`],
  output: [`udp dport 53 ${FROM_ZTUNNEL} counter ct zone set 1`],
}

function natRules(settings: RedirectSettings): OurRules {
  const { probe, dnsCapture, ingressOnly, virtualInterfaces } = settings
  const families = [
    { ip: 'ip', loopback: '127.0.0.1', probe: probe.v4 },
    ...(settings.ipv6 ? [{ ip: 'ip6', loopback: '::1', probe: probe.v6 }] : []),
  ]
  const each = (rule: (family: (typeof families)[number]) => string): readonly string[] => families.map(rule)
  const notLoopback = ({ ip, loopback }: (typeof families)[number]): string => `${ip} daddr != ${loopback}`
  const inbound = [
    ...each((family) => `meta l4proto tcp ${family.ip} saddr ${family.probe} counter accept`),
    ...each(
      (family) =>
        `${notLoopback(family)} tcp dport != ${redirectPorts.inboundHbone} ${NOT_FROM_ZTUNNEL} ${TO_INBOUND}`,
    ),
  ]
  const dns = [
    `${settings.ipv6 ? '' : 'meta nfproto ipv4 '}oifname != "lo" ${NOT_FROM_ZTUNNEL} udp dport 53 ${TO_DNS}`,
    ...each((family) => `${notLoopback(family)} tcp dport 53 ${NOT_FROM_ZTUNNEL} ${TO_DNS}`),
  ]
  return {
    prerouting: [
      ...virtualInterfaces.flatMap((name) => {
        const match = `iifname "${name.replace(/\+$/, '*')}" meta l4proto tcp`
        return [`${match} ${TO_OUTBOUND}`, `${match} counter return`] // the second is never reached; upstream has it
      }),
      ...(ingressOnly ? [] : inbound),
    ],
    output: [
      ...each((family) => `meta l4proto tcp ${family.ip} daddr ${family.probe} counter accept`),
      ...(dnsCapture ? dns : []),
      'meta l4proto tcp meta mark & 0xfff == 0x111 counter accept',
      ...each((family) => `oifname "lo" ${notLoopback(family)} counter accept`), // the app to its own address stays direct
      ...each((family) => `meta l4proto tcp ${notLoopback(family)} ${NOT_FROM_ZTUNNEL} ${TO_OUTBOUND}`),
    ],
  }
}
