import { type NetworkNamespace, type NftTable, nftTables } from '@ambient/linux'
import type { BackendName, RedirectSettings } from './redirect-backend.ts'
import type { IpFamily } from './redirect-rules.ts'

/** One program's way of reading and writing packet rules; everything else is the same for all (`netfilter-backend.ts`). */
export interface PacketRules {
  readonly name: BackendName
  /** @param families Those that the netns has. */
  read(netns: NetworkNamespace, families: readonly IpFamily[]): Promise<RulesThere>
}

/** What of ours was found in one netns, and what can be done about it; good for one step, then it is read again. */
export interface RulesThere {
  /** Whether anything that may redirect is there. */
  readonly redirects: boolean
  /** Whether there is anything else of ours: what open tunnels need. */
  readonly others: boolean
  /** What differs from the rules of `settings`, as lines; empty when nothing does. */
  missing(settings: RedirectSettings): Promise<readonly string[]>
  /** Each table changes as a whole, and only if it differs. */
  write(settings: RedirectSettings): Promise<void>
  removeRedirects(): Promise<void>
  removeAll(): Promise<void>
}

/** Whether the kernel has a table of nftables in one of `families` there; also when it does not say. */
export function mayHoldNftTables(netns: NetworkNamespace, families: readonly NftTable['family'][]): boolean {
  const found = netns.enter(nftTables)
  return found === undefined || found.some(({ family }) => families.includes(family))
}
