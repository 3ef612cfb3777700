import { closeSync, openSync, readSync } from 'node:fs'
import type { NetworkNamespace } from '@ambient/linux'

/** Listeners come first in these tables, so their beginning is enough, however many connections there are. */
const READ_BYTES = 65_536
const LISTEN = '0A'

/** The TCP ports somebody listens on in a namespace. Synchronous, as entering is. */
export function listeningPorts(netns: NetworkNamespace): ReadonlySet<number> {
  const tables = netns.enter(() => ['tcp', 'tcp6'].map((name) => readStart(`/proc/thread-self/net/${name}`)))
  return new Set(tables.flatMap(parseListeners))
}

/** Reads the beginning of `/proc/net/tcp` or `tcp6`; a row that is cut off does not count. Pure. */
export function parseListeners(text: string): readonly number[] {
  return text
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/)
      const port = /:([0-9A-F]{4})$/.exec(local)?.[1]
      return state === LISTEN && port !== undefined ? [Number.parseInt(port, 16)] : []
    })
}

function readStart(path: string): string {
  try {
    const fd = openSync(path, 'r')
    try {
      const buffer = Buffer.alloc(READ_BYTES)
      return buffer.toString('latin1', 0, readSync(fd, buffer))
    } finally {
      closeSync(fd)
    }
  } catch {
    return '' // no IPv6 in this kernel
  }
}
