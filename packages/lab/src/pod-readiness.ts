import { readFileSync } from 'node:fs'

const LISTEN = '0A'

/**
 * Which TCP ports somebody listens on in the network namespace of a process, without a packet to any of them.
 *
 * @param pid Any process in there, as the host numbers it.
 */
export function listeningPorts(pid: number): ReadonlySet<number> {
  return new Set(['tcp', 'tcp6'].flatMap((table) => parseListening(readTable(`/proc/${pid}/net/${table}`))))
}

/** @see proc_pid_net(5): address and port in hexadecimal, then state. Pure. */
export function parseListening(table: string): readonly number[] {
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    return state === LISTEN ? [Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)] : []
  })
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // the process is gone, or there is no IPv6: nobody listens
  }
}
