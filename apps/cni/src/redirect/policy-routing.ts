import type { MarkedRouting } from '@ambient/linux'
import type { IpFamily } from './redirect-rules.ts'

/** Packets with ztunnel's mark for answers are looked up in a table in which everything is local, and so come back to ztunnel. */
export function policyRouting(family: IpFamily): MarkedRouting {
  return { family, priority: 32_764, mark: 0x111, mask: 0xfff, table: 100 }
}
