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

/** One way to steer a pod's packets to ztunnel. `netnsFd` stays the caller's; every verb may be repeated. */
export interface RedirectBackend {
  readonly name: 'iptables'
  /** Looks, changes nothing. */
  inspect(netnsFd: number, settings: RedirectSettings): Promise<RedirectState>
  /** Makes the state `complete`; each table changes as a whole, so that a repair opens no gap. */
  apply(netnsFd: number, settings: RedirectSettings): Promise<void>
  /** New connections go direct from here on; open tunnels keep their way. State afterwards: `draining`. */
  stopRedirecting(netnsFd: number): Promise<void>
  /** Takes everything away, to the last rule and route. State afterwards: `absent`. */
  remove(netnsFd: number): Promise<void>
}
