import { readFileSync } from 'node:fs'
import { SyscallError } from './errno.ts'
import { dumpByNetlink, NETLINK_NETFILTER, netlinkAttributes, withNetlink } from './netlink.ts'
import { AF_INET, AF_INET6 } from './socket-address.ts'

/** A table of nftables, by whichever program: the nft flavour of iptables has its own in `ipv4` and `ipv6`. */
export interface NftTable {
  readonly family: 'inet' | 'ipv4' | 'ipv6' | 'other'
  readonly name: string
}

const NFT_MSG_GETTABLE = (10 << 8) | 1
const NFTA_TABLE_NAME = 1
/** `struct nfgenmsg`. */
const FIXED_BYTES = 4
const NFPROTO_INET = 1

/**
 * The nftables tables of the calling thread's network namespace: what takes a program some twenty questions takes one.
 *
 * @returns undefined when the kernel does not say, as one without nftables
 */
export function nftTables(): readonly NftTable[] | undefined {
  try {
    return withNetlink(NETLINK_NETFILTER, (fd) =>
      dumpByNetlink(fd, { type: NFT_MSG_GETTABLE, body: new Uint8Array(FIXED_BYTES) }).map(({ body }) => ({
        family: familyName(body[0]),
        name: nameIn(netlinkAttributes(body, FIXED_BYTES).get(NFTA_TABLE_NAME)),
      })),
    )
  } catch (cause) {
    if (cause instanceof SyscallError) return undefined
    throw cause
  }
}

/** The tables of iptables' first implementation in the calling thread's network namespace; none where the kernel is without it. */
export function legacyTables(family: 'ipv4' | 'ipv6'): readonly string[] {
  const file = family === 'ipv4' ? 'ip_tables_names' : 'ip6_tables_names'
  try {
    return readFileSync(`/proc/thread-self/net/${file}`, 'utf8')
      .split('\n')
      .filter((name) => name !== '')
  } catch {
    return []
  }
}

function familyName(family: number | undefined): NftTable['family'] {
  if (family === NFPROTO_INET) return 'inet'
  if (family === AF_INET) return 'ipv4'
  return family === AF_INET6 ? 'ipv6' : 'other'
}

function nameIn(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? [])
    .toString()
    .replace(/\0$/, '')
}
