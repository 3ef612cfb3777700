import { readFileSync, writeFileSync } from 'node:fs'
import type { NetworkNamespace } from '@ambient/linux'
import { CniError } from '../cni-error.ts'
import type { SettingsBefore } from './redirect-backend.ts'
import { redirectPorts } from './redirect-rules.ts'

const RESERVED = 'net/ipv4/ip_local_reserved_ports'
const TCP_LOOSE = 'net/netfilter/nf_conntrack_tcp_loose'
const OURS: readonly number[] = Object.values(redirectPorts)

/** Settings of one netns: `/proc/sys/net` is that of the thread which looks. Synchronous, as entering is. */
export interface PodSysctls {
  read(netns: NetworkNamespace, name: string): string | undefined
  write(netns: NetworkNamespace, name: string, value: string): void
}

/** @param procRoot `/proc`, or where the host's is mounted. */
export function podSysctls(procRoot: string): PodSysctls {
  return {
    read: (netns, name) =>
      netns.enter(() => {
        try {
          return readFileSync(`${procRoot}/sys/${name}`, 'utf8').trim()
        } catch {
          return undefined // the kernel has no such setting
        }
      }),
    write: (netns, name, value) => netns.enter(() => writeFileSync(`${procRoot}/sys/${name}`, value)),
  }
}

/** No outgoing connection of the pod may take a port that ztunnel listens on. @returns what was there before, if it was changed. */
export function reservePorts(sysctls: PodSysctls, netns: NetworkNamespace): SettingsBefore {
  const found = sysctls.read(netns, RESERVED)
  if (found === undefined) return {}
  const wanted = addPorts(found, OURS)
  if (wanted === found) return {} // by an attempt before this one, or by the pod itself
  sysctls.write(netns, RESERVED, wanted)
  return { [RESERVED]: found }
}

/**
 * From now on a packet in the middle of an unknown connection is invalid to conntrack, and nat leaves it alone: what was
 * open before the rules came stays as it was. Must be in force before the first nat rule.
 *
 * @throws {CniError} `PLATFORM_UNSUPPORTED` when the kernel has no connection tracking (yet).
 */
export function keepUnknownConnections(sysctls: PodSysctls, netns: NetworkNamespace): SettingsBefore {
  const found = sysctls.read(netns, TCP_LOOSE)
  if (found === undefined) {
    throw new CniError(
      'PLATFORM_UNSUPPORTED',
      'Cannot keep open connections: the kernel module nf_conntrack is not loaded; run: modprobe nf_conntrack',
    )
  }
  if (found === '0') return {}
  sysctls.write(netns, TCP_LOOSE, '0')
  return { [TCP_LOOSE]: found }
}

/** Puts back what `before` says; without a record, the kernel's defaults. */
export function restoreSysctls(sysctls: PodSysctls, netns: NetworkNamespace, before: SettingsBefore): void {
  const reserved = sysctls.read(netns, RESERVED)
  const wanted = before[RESERVED] ?? removePorts(reserved ?? '', OURS)
  if (reserved !== undefined && reserved !== wanted)
    sysctls.write(netns, RESERVED, wanted === '' ? '\n' : wanted)
  const loose = sysctls.read(netns, TCP_LOOSE)
  if (loose !== undefined && loose !== (before[TCP_LOOSE] ?? '1'))
    sysctls.write(netns, TCP_LOOSE, before[TCP_LOOSE] ?? '1')
}

/** `list` is what the kernel prints: `80,15001-15006`. Pure. */
export function addPorts(list: string, ports: readonly number[]): string {
  const missing = ports.filter((port) => !rangesOf(list).some(([from, to]) => from <= port && port <= to))
  return [...(list === '' ? [] : [list]), ...missing].join(',')
}

/** Takes single `ports` out; a range that holds more than one of them was somebody else's and stays. Pure. */
export function removePorts(list: string, ports: readonly number[]): string {
  return list
    .split(',')
    .filter((part) => !ports.some((port) => part === String(port)))
    .join(',')
}

function rangesOf(list: string): readonly (readonly [number, number])[] {
  return list
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const [from, to] = part.split('-').map(Number)
      return [from ?? 0, to ?? from ?? 0]
    })
}
