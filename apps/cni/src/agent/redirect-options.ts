import type { IptablesFlavour } from '../redirect/choose-iptables.ts'
import { type RedirectMode, redirectModes } from '../redirect/redirect-backend.ts'
import type { Env } from './agent-variables.ts'
import { flag, invalid, text } from './env-values.ts'

export interface RedirectOptions {
  readonly mode: RedirectMode
  /** Which of the kernel's two iptables; undefined: what the node's own rules are written with. */
  readonly forcedIptables: IptablesFlavour | undefined
  /** False: `iptables` takes the lock of the whole host. */
  readonly scopedLocks: boolean
}

/**
 * One switch, and the names that upstream has for it. Two that disagree are refused: nobody can tell which was meant. Pure.
 *
 * @param modeFlag `--redirect-mode`, if given.
 * @throws {CniError} `CONFIG_INVALID`, naming both.
 */
export function readRedirectOptions(modeFlag: string | undefined, env: Env): RedirectOptions {
  const asked = [
    ask('--redirect-mode', modeFlag ?? ''),
    ask('REDIRECT_MODE', text(env, 'REDIRECT_MODE')),
    // upstream's chart always sets it, so that false asks for nothing
    flag(env, 'NATIVE_NFTABLES') ? ask('NATIVE_NFTABLES', 'nftables', 'true') : undefined,
    forcedIptables(env) === undefined
      ? undefined
      : ask('FORCE_IPTABLES_BINARY', 'iptables', text(env, 'FORCE_IPTABLES_BINARY')),
  ].filter((each) => each !== undefined)
  const [first] = asked
  const other = asked.find(({ mode }) => mode !== first?.mode)
  if (first !== undefined && other !== undefined)
    throw invalid(
      other.name,
      other.value,
      `it asks for ${other.mode}, and ${first.name} "${first.value}" for ${first.mode}; leave one of them out`,
    )
  return {
    mode: first?.mode ?? 'iptables',
    forcedIptables: forcedIptables(env),
    scopedLocks: flag(env, 'AMBIENT_USE_SCOPED_XTABLES_LOCKING'),
  }
}

interface Asked {
  readonly name: string
  readonly value: string
  readonly mode: RedirectMode
}

function ask(name: string, wanted: string, value: string = wanted): Asked | undefined {
  if (wanted === '') return undefined
  const mode = redirectModes.find((each) => each === wanted)
  if (mode === undefined) throw invalid(name, value, `expected ${redirectModes.join(' or ')}`)
  return { name, value, mode }
}

function forcedIptables(env: Env): IptablesFlavour | undefined {
  const value = text(env, 'FORCE_IPTABLES_BINARY')
  if (value === '') return undefined
  if (value === 'legacy' || value === 'nft') return value
  throw invalid('FORCE_IPTABLES_BINARY', value, 'expected legacy or nft')
}
