import { readdirSync, readFileSync, statSync } from 'node:fs'
import { NetworkNamespace } from '@ambient/linux'
import { CniError, messageOf } from '../cni-error.ts'
import { ownAddresses } from '../redirect/pod-connections.ts'
import { podOfCgroup, startTimeOf } from './cgroup-uid.ts'

export interface NetnsFinder {
  /** Opens what the runtime named. The caller owns the result. @throws {CniError} `NETNS_NOT_FOUND`, `NETNS_IS_HOST` */
  open(path: string): NetworkNamespace
  /** Looks at every process once. The caller owns each result. */
  scan(wanted: readonly WantedPod[]): ReadonlyMap<string, NetworkNamespace>
}

export interface WantedPod {
  readonly cgroupUid: string
  /** One of them must be an address in the netns: nested runtimes put foreign ones below a pod's cgroup. */
  readonly ips: readonly string[]
}

export interface NetnsFinderOptions {
  readonly procRoot: string
  /** What to put before a netns path of the runtime; empty, or where the host is mounted. */
  readonly hostRoot: string
  readonly addressesOf?: (netns: NetworkNamespace) => ReadonlySet<string>
}

/** Whether both are the same namespace, by whatever descriptor. */
export function isSameNetns(one: NetworkNamespace, other: NetworkNamespace | undefined): boolean {
  if (other === undefined) return false
  const [a, b] = [one.id(), other.id()]
  return a.inode === b.inode && a.dev === b.dev
}

interface Candidate {
  readonly pid: string
  readonly uid: string
  readonly id: string
  readonly startTime: number
}

/** Finds the network namespaces of pods by what the runtime says or by the processes in them. */
export function createNetnsFinder(options: NetnsFinderOptions): NetnsFinder {
  const { procRoot, hostRoot, addressesOf = ownAddresses } = options
  return {
    open: (path) => openByPath(`${hostRoot}${path}`, hostIds(procRoot)),
    scan: (wanted) => {
      const ips = new Map(wanted.map((pod) => [pod.cgroupUid, pod.ips]))
      const candidates = listCandidates(procRoot, new Set(ips.keys()))
      const found = new Map<string, NetworkNamespace>()
      for (const { pid, uid } of candidates) {
        if (found.has(uid)) continue // the oldest process decides; later ones may be of nested containers
        const netns = openIfMatching(`${procRoot}/${pid}/ns/net`, ips.get(uid) ?? [], addressesOf)
        if (netns !== undefined) found.set(uid, netns)
      }
      return found
    },
  }
}

function openByPath(path: string, hosts: ReadonlySet<string>): NetworkNamespace {
  let netns: NetworkNamespace
  try {
    netns = NetworkNamespace.open(path)
  } catch (cause) {
    throw new CniError('NETNS_NOT_FOUND', `Cannot open network namespace ${path}: ${messageOf(cause)}`, {
      cause,
    })
  }
  const { dev, inode } = netns.id()
  const problem = hosts.has(`${dev}:${inode}`)
    ? 'NETNS_IS_HOST'
    : netns.isNetwork()
      ? undefined
      : 'NETNS_NOT_FOUND'
  if (problem === undefined) return netns
  netns[Symbol.dispose]()
  throw new CniError(
    problem,
    `Cannot use ${path}: it is ${problem === 'NETNS_IS_HOST' ? 'the node’s own' : 'no'} network namespace`,
  )
}

/** Processes in containers of wanted pods, one a namespace, oldest first. */
function listCandidates(procRoot: string, wanted: ReadonlySet<string>): readonly Candidate[] {
  const hosts = hostIds(procRoot)
  const found: Candidate[] = []
  for (const pid of readdirSync(procRoot)) {
    if (!/^\d+$/.test(pid)) continue
    const candidate = readCandidate(procRoot, pid)
    if (candidate !== undefined && wanted.has(candidate.uid) && !hosts.has(candidate.id))
      found.push(candidate)
  }
  found.sort((a, b) => a.startTime - b.startTime)
  const seen = new Set<string>()
  return found.filter(({ uid, id }) => !seen.has(`${uid} ${id}`) && seen.add(`${uid} ${id}`))
}

function readCandidate(procRoot: string, pid: string): Candidate | undefined {
  try {
    const pod = podOfCgroup(readFileSync(`${procRoot}/${pid}/cgroup`, 'utf8'))
    if (pod.kind !== 'pod') return undefined
    const startTime = startTimeOf(readFileSync(`${procRoot}/${pid}/stat`, 'utf8'))
    const { ino, dev } = statSync(`${procRoot}/${pid}/ns/net`)
    return startTime === undefined ? undefined : { pid, uid: pod.uid, id: `${dev}:${ino}`, startTime }
  } catch {
    return undefined // it ended while we looked
  }
}

function openIfMatching(
  path: string,
  ips: readonly string[],
  addressesOf: (netns: NetworkNamespace) => ReadonlySet<string>,
): NetworkNamespace | undefined {
  let netns: NetworkNamespace
  try {
    netns = NetworkNamespace.open(path)
  } catch {
    return undefined // it ended while we looked
  }
  const own = addressesOf(netns)
  if (ips.some((ip) => own.has(ip))) return netns
  netns[Symbol.dispose]()
  return undefined
}

/** The node's namespace and our own, which no pod may be enrolled by. */
function hostIds(procRoot: string): ReadonlySet<string> {
  return new Set([`${procRoot}/1/ns/net`, '/proc/self/ns/net'].flatMap(idOf))
}

/** Nothing when it may not be looked at: without that right on PID 1, the agent's own namespace is the node's. */
function idOf(path: string): readonly string[] {
  try {
    const { dev, ino } = statSync(path)
    return [`${dev}:${ino}`]
  } catch {
    return []
  }
}
