import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { NetworkNamespace } from '@ambient/linux'
import { canonicalIp } from '@ambient/model'
import { parseTcpTable, type TcpConnection } from './tcp-connections.ts'

/** The connections of the pod as they are now; synchronous, for what must not change meanwhile. */
export function tcpTable(netns: NetworkNamespace): readonly TcpConnection[] {
  return netns.enter(() =>
    ['tcp', 'tcp6'].flatMap((name) => parseTcpTable(readOrEmpty(`/proc/thread-self/net/${name}`))),
  )
}

/** The addresses of the pod's own interfaces, loopback included. */
export function ownAddresses(netns: NetworkNamespace): ReadonlySet<string> {
  const interfaces = netns.enter(() => networkInterfaces())
  const all = Object.values(interfaces).flatMap((each) => each ?? [])
  return new Set(all.flatMap(({ address }) => canonicalIp(address) ?? []))
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // no IPv6 in this kernel
  }
}
