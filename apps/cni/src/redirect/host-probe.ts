import type { RedirectWatch } from './redirect-backend.ts'

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
