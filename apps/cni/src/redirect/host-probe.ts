import { isIpv6 } from '@ambient/model'
import type { RedirectWatch } from './redirect-backend.ts'
import type { IpFamily } from './redirect-rules.ts'

/** One address of the set: which pod it belongs to is written beside it, so that a reused address is never taken from its new pod. */
export interface ProbeEntry {
  readonly ip: string
  readonly uid: string
}

/**
 * The node's side: what a process of the node itself (the kubelet) sends to an enrolled pod gets the probe address as its
 * source, by which the pod's rules let it in. Nothing else on the host is changed. Every verb may be repeated.
 */
export interface HostProbe {
  /** Makes sets and rules where they are missing; changes nothing when all is there. @returns whether anything was missing */
  ensure(): Promise<boolean>
  add(entries: readonly ProbeEntry[]): Promise<void>
  /** Removes addresses that still belong to the named pod. */
  remove(entries: readonly ProbeEntry[]): Promise<void>
  list(): Promise<readonly ProbeEntry[]>
  /** Hears of changes to rules; not of changes to the set. */
  watch(): RedirectWatch
  /** Takes everything off the host. */
  removeAll(): Promise<void>
}

/** Named as Istio's, by whichever mechanism they are made. */
export const PROBE_SETS: Readonly<Record<IpFamily, string>> = {
  ipv4: 'istio-inpod-probes-v4',
  ipv6: 'istio-inpod-probes-v6',
}

export function probeSetOf(ip: string): string {
  return PROBE_SETS[isIpv6(ip) ? 'ipv6' : 'ipv4']
}

/** The families of a host; IPv6 only where it is meant to be used. */
export function probeFamilies(ipv6: boolean): readonly IpFamily[] {
  return ipv6 ? ['ipv4', 'ipv6'] : ['ipv4']
}

/** Those of `entries` whose family the host has a set for. */
export function usableEntries(entries: readonly ProbeEntry[], ipv6: boolean): readonly ProbeEntry[] {
  return entries.filter(({ ip }) => ipv6 || !isIpv6(ip))
}

/** Those of `entries` that are there and still belong to the pod that they name. */
export function ownedEntries(
  entries: readonly ProbeEntry[],
  there: readonly ProbeEntry[],
): readonly ProbeEntry[] {
  const uids = new Map(there.map(({ ip, uid }) => [ip, uid]))
  return entries.filter(({ ip, uid }) => uids.get(ip) === uid)
}
