import { ENVOY } from '@ambient/testkit'
import type { LabVariant, NodeProxy } from './lab-pool.ts'
import type { ProxyPair } from './proxy-pair.ts'

/** One way to carry the bytes. */
export interface Contestant {
  readonly name: string
  /** What `tools/bootstrap` installs for it, by name. */
  readonly extras: readonly string[]
  readonly lab: LabVariant
  readonly carrier: Carrier
}

export type Carrier =
  | { readonly kind: 'none' }
  /** The mesh of the lab. */
  | { readonly kind: 'mesh' }
  | { readonly kind: 'pair'; readonly pair: ProxyPair }

/** As many as ztunnel has byte threads in a lab. */
const THREADS = 2

const nginx: ProxyPair = {
  name: 'nginx',
  suffix: 'conf',
  argv: (configuration) => ['nginx', '-e', 'stderr', '-c', configuration],
}
const haproxy: ProxyPair = {
  name: 'haproxy',
  suffix: 'cfg',
  argv: (configuration) => ['haproxy', '-db', '-f', configuration],
}
const envoy: ProxyPair = {
  name: 'envoy',
  suffix: 'yaml',
  argv: (configuration) => [
    ENVOY,
    '--concurrency',
    String(THREADS),
    '--disable-hot-restart',
    '--log-level',
    'warning',
    '--config-path',
    configuration,
  ],
}

const MODES: readonly LabVariant['redirectMode'][] = ['iptables', 'nftables']
const lab: LabVariant = { redirectMode: 'iptables' }

/** Who takes part, in the order in which they are shown: ratios are to the first. */
export const contestants: readonly Contestant[] = [
  { name: 'no-mesh', extras: [], lab, carrier: { kind: 'none' } },
  ...MODES.map((redirectMode) => mesh(`ours-${redirectMode}`, { redirectMode })),
  { name: 'nginx', extras: ['nginx-stream'], lab, carrier: { kind: 'pair', pair: nginx } },
  { name: 'haproxy', extras: ['haproxy'], lab, carrier: { kind: 'pair', pair: haproxy } },
  { name: 'envoy', extras: ['envoy'], lab, carrier: { kind: 'pair', pair: envoy } },
]

/** The mesh with another node proxy in it. */
export function withNodeProxy(nodeProxy: NodeProxy): Contestant {
  return mesh(nodeProxy.name, { ...lab, nodeProxy })
}

function mesh(name: string, variant: LabVariant): Contestant {
  return { name, extras: [], lab: variant, carrier: { kind: 'mesh' } }
}
