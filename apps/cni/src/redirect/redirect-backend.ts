import type { NetworkNamespace } from '@ambient/linux'
import type { TcpConnection } from './tcp-connections.ts'

/** What one pod's redirection looks like; the same on every machine, and all that a backend may depend on. */
export interface RedirectSettings {
  readonly ipv6: boolean
  /** Send the pod's DNS queries to ztunnel's port 15053. */
  readonly dnsCapture: boolean
  /** Capture what the pod sends, not what it receives (`ambient.istio.io/bypass-inbound-capture`). */
  readonly ingressOnly: boolean
  /** Interfaces of the pod (a VM's tap, a nested bridge) whose TCP counts as the pod's own outbound. */
  readonly virtualInterfaces: readonly string[]
  readonly probe: ProbeAddresses
}

/** The source that the node gives to kubelet's probes, and that a pod therefore lets in. */
export interface ProbeAddresses {
  readonly v4: string
  readonly v6: string
}

/** What is found in a pod's netns. `draining` has no redirect any more, but still what running tunnels need. */
export type RedirectState =
  | { readonly kind: 'complete' | 'draining' | 'absent' }
  | { readonly kind: 'partial'; readonly missing: readonly string[] }

/**
 * What the pod was before: `new` has no connections yet, those of a `running` pod are kept as they are. An `enrolled` one was
 * being redirected, by whichever backend, and may have opened connections since somebody removed the rules.
 */
export type PodAge = 'new' | 'running' | 'enrolled'

export interface Applied {
  /** TCP connections that stay outside the mesh until they close; undefined when those known before still hold. */
  readonly kept: readonly TcpConnection[] | undefined
  /** What was changed beside the rules, with the value it had: `remove` puts it back. */
  readonly before: SettingsBefore
}

export type SettingsBefore = Readonly<Record<string, string>>

/** What an operator chooses with `--redirect-mode`. */
export const redirectModes = ['iptables', 'nftables'] as const
export type RedirectMode = (typeof redirectModes)[number]

/**
 * The ways of writing rules. Each sees only its own, so it is remembered for every pod which one wrote there. Those of a mode
 * differ by the kernel's two implementations of iptables.
 */
export const backendNames = ['iptables-legacy', 'iptables-nft', 'nftables'] as const
export type BackendName = (typeof backendNames)[number]

export interface RedirectWatch extends Disposable {
  /** Whether somebody, we included, changed anything since the last time this was asked. Cheap. */
  take(): boolean
}

/** One way to steer a pod's packets to ztunnel. The netns stays the caller's; every verb may be repeated. */
export interface RedirectBackend {
  readonly name: BackendName
  /** Looks, changes nothing. */
  inspect(netns: NetworkNamespace, settings: RedirectSettings): Promise<RedirectState>
  /** Ports that ztunnel is about to listen on are kept from being chosen for outgoing connections. Before ZDS Add. */
  reservePorts(netns: NetworkNamespace): SettingsBefore
  /** Makes the state `complete` and verifies it; each table changes as a whole, so that a repair opens no gap. */
  apply(netns: NetworkNamespace, settings: RedirectSettings, age: PodAge): Promise<Applied>
  /** Hears whether anything may have changed since; held beside `netns`, and disposed of by the caller. */
  watch(netns: NetworkNamespace): RedirectWatch
  /** New connections go direct from here on; open tunnels keep their way. State afterwards: `draining`. */
  stopRedirecting(netns: NetworkNamespace): Promise<void>
  /** Takes away only what this backend has for itself: another one's state is `complete`, and no connection may notice. */
  withdraw(netns: NetworkNamespace): Promise<void>
  /** Takes everything away, to the last rule and route. State afterwards: `absent`. */
  remove(netns: NetworkNamespace, before: SettingsBefore): Promise<void>
}
