/** OpenSSL objects of this thread that are not freed: memory V8 knows nothing of. */
export interface TlsObjectCounts {
  contexts: number
  connections: number
}

// Counts of this thread; each worker has its own copy of the module, as it has its own objects.
const live: TlsObjectCounts = { contexts: 0, connections: 0 }
const lists = { live: 0 }

/** For metrics and leak tests. */
export function liveTlsObjects(): Readonly<TlsObjectCounts> {
  return { ...live }
}

export function countContext(change: 1 | -1): void {
  live.contexts += change
}

export function countConnection(change: 1 | -1): void {
  live.connections += change
}

export function countRevocationLists(change: number): void {
  lists.live += change
}

/** Revocation lists of this thread that are not freed. */
export function liveRevocationLists(): number {
  return lists.live
}
