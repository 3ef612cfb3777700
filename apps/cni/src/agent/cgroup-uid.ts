const SEPARATED =
  /pod([0-9a-f]{8})[-_]?([0-9a-f]{4})[-_]?([0-9a-f]{4})[-_]?([0-9a-f]{4})[-_]?([0-9a-f]{12})(?=[^0-9a-f]|$)/gi
/** A static pod's UID is a hash without any separators. */
const HASH = /pod([0-9a-f]{32})(?=[^0-9a-f]|$)/gi

export type CgroupPod =
  | { readonly kind: 'pod'; readonly uid: string }
  | { readonly kind: 'none' }
  /** Nested runtimes: it cannot be told whose process it is. */
  | { readonly kind: 'several'; readonly uids: readonly string[] }

/**
 * Whose container a process is in, from its `/proc/PID/cgroup`: any driver (cgroupfs, systemd), any runtime, v1 and v2.
 * Both spellings of a UID are given back with dashes, except a static pod's hash. Pure.
 */
export function podOfCgroup(text: string): CgroupPod {
  const uids = new Set<string>()
  for (const line of text.split('\n')) {
    const path = line.split(':').slice(2).join(':')
    for (const match of path.matchAll(HASH)) uids.add((match[1] ?? '').toLowerCase())
    for (const match of path.matchAll(SEPARATED)) {
      if (/[-_]/.test(match[0])) uids.add(match.slice(1, 6).join('-').toLowerCase())
    }
  }
  const [first, ...others] = uids
  if (first === undefined) return { kind: 'none' }
  return others.length === 0 ? { kind: 'pod', uid: first } : { kind: 'several', uids: [...uids] }
}

/** Field 22 of `/proc/PID/stat`, in clock ticks since boot. The name before it may hold anything, so count from its last `)`. Pure. */
export function startTimeOf(stat: string): number | undefined {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ')
  const ticks = Number(fields[19])
  return Number.isSafeInteger(ticks) && fields.length > 19 ? ticks : undefined
}
