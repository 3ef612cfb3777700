import { join } from 'node:path'
import type { ProxyPair } from './proxy-pair.ts'

/** One way to carry the bytes. */
export interface Contestant {
  readonly name: string
  /** What `tools/bootstrap` installs for it, by name. */
  readonly extras: readonly string[]
  readonly carrier: Carrier
}

export type Carrier =
  | { readonly kind: 'none' }
  /** The mesh of the lab. */
  | { readonly kind: 'mesh' }
  | { readonly kind: 'pair'; readonly pair: ProxyPair }

const ENVOY = join(import.meta.dirname, '..', '..', '.toolchain', 'envoy', 'envoy')
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

/** Who takes part, in the order in which they are shown: ratios are to the first. */
export const contestants: readonly Contestant[] = [
  { name: 'no-mesh', extras: [], carrier: { kind: 'none' } },
  { name: 'ours', extras: [], carrier: { kind: 'mesh' } },
  { name: 'nginx', extras: ['nginx-stream'], carrier: { kind: 'pair', pair: nginx } },
  { name: 'haproxy', extras: ['haproxy'], carrier: { kind: 'pair', pair: haproxy } },
  { name: 'envoy', extras: ['envoy'], carrier: { kind: 'pair', pair: envoy } },
]
