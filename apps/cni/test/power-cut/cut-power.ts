/** Power that goes at a chosen moment: from then on nothing of this process reaches a disk, and nobody tidies up either. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const WRITES = ['writeFileSync', 'fchmodSync', 'fsyncSync', 'renameSync', 'rmSync', 'mkdirSync'] as const

class PowerCut extends Error {}

interface Power {
  /** Writes that are still done. */
  left: number
  done: number
}

let power: Power | undefined

export interface CutOptions {
  /** How many writes are done before the power goes; none goes with Infinity. */
  readonly after: number
  /** A disk that does not listen: without syncing, cuts must do harm, or they prove nothing. */
  readonly isDeaf?: boolean
}

/**
 * Runs `act` until its write number `after` is to be done, whatever it makes of its failure then. Writes are those of
 * `node:fs` that the product does, counted one by one: making a file, filling it, its mode, syncing, renaming, removing.
 *
 * @returns how many were done
 */
export async function untilPowerCut(
  { after, isDeaf = false }: CutOptions,
  act: () => Promise<void>,
): Promise<number> {
  const originals = { openSync: fs.openSync, ...Object.fromEntries(WRITES.map((name) => [name, fs[name]])) }
  const counted = { left: after, done: 0 }
  power = counted
  for (const name of WRITES) replace(name, isDeaf && name === 'fsyncSync' ? () => undefined : fs[name])
  const { openSync } = fs
  Object.assign(fs, {
    openSync: (path: string, flags: string, mode?: number) => {
      if (flags !== 'r') write()
      return openSync(path, flags, mode)
    },
  })
  syncBuiltinESMExports()
  try {
    await act()
  } catch (cause) {
    if (counted.left > 0) throw cause // it failed with the power on
  } finally {
    power = undefined
    Object.assign(fs, originals)
    syncBuiltinESMExports()
  }
  return counted.done
}

function replace(name: (typeof WRITES)[number], original: (...args: never[]) => unknown): void {
  Object.assign(fs, {
    [name]: (...args: never[]) => {
      write()
      return original(...args)
    },
  })
}

function write(): void {
  if (power === undefined) return
  if (power.left === 0) throw new PowerCut('the power is off')
  power.left--
  power.done++
}
