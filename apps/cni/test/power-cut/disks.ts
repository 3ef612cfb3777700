import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** On the machine's disk, which is what survives. */
export const PLACE = '/var/tmp/power-cut'
export const MANIFEST: string = join(PLACE, 'manifest.json')
export const POWER_MAY_GO = 'the power may go'

/** One deed, cut off after some of its writes. */
export interface Cut {
  readonly scenario: string
  readonly after: number
  /** The deed was done. */
  readonly isWhole: boolean
  /** The journal was committed before the power went, so that names may be there without what they name. */
  readonly isJournalled: boolean
  /** Syncing did nothing: there must be harm, or cuts prove nothing. */
  readonly isDeaf: boolean
}

/** Every moment of each deed, both ways, and for the first one the disk that does not listen. Pure. */
export function cutsOf(counted: readonly (readonly [scenario: string, writes: number])[]): readonly Cut[] {
  const both = counted.flatMap(([scenario, writes]) =>
    [false, true].flatMap((isJournalled) =>
      Array.from({ length: writes + 1 }, (_, after) => ({
        scenario,
        after,
        isWhole: after === writes,
        isJournalled,
        isDeaf: false,
      })),
    ),
  )
  const controls = both.filter((cut) => cut.isWhole && cut.scenario === counted[0]?.[0])
  return [...both, ...controls.map((cut) => ({ ...cut, isDeaf: true }))]
}

export function rootOf(index: number): string {
  return join(PLACE, String(index))
}

/** Runs a script in the place of the disks; one for all, since starting programs is what costs in an emulated machine. */
export function runShell(script: string, count: number): void {
  execFileSync('sh', ['-euc', script, 'sh', String(count)], { cwd: PLACE, stdio: 'inherit' })
}
