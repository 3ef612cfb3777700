import { readdirSync, readlinkSync } from 'node:fs'

/** Descriptors of this process: number to what it is (`socket:[123]`, `net:[402…]`, a path). */
export function openDescriptors(): ReadonlyMap<number, string> {
  const open = new Map<number, string>()
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      open.set(Number(name), readlinkSync(`/proc/self/fd/${name}`))
    } catch {
      // The directory's own descriptor is gone by now.
    }
  }
  return open
}

/** What is open now and was not then, as text; empty when nothing leaked. */
export function leakedDescriptors(before: ReadonlyMap<number, string>): string[] {
  return [...openDescriptors()]
    .filter(([fd, target]) => before.get(fd) !== target)
    .map(([fd, target]) => `${fd} ${target}`)
}
