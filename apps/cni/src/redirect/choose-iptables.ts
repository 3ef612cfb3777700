import { readFileSync, writeFileSync } from 'node:fs'
import { legacyTables, type NetworkNamespace } from '@ambient/linux'
import { CniError } from '../cni-error.ts'
import { parseIptablesSave } from './iptables-save.ts'
import type { BackendName } from './redirect-backend.ts'
import { mustRun, type RunProgram } from './run-program.ts'

/** The kernel has two implementations of iptables, and each program speaks to one of them. */
export type IptablesFlavour = 'legacy' | 'nft'

/** Names of programs, to which `-save` and `-restore` are added. */
export interface IptablesPrograms {
  readonly name: Extract<BackendName, `iptables-${IptablesFlavour}`>
  readonly ipv4: string
  readonly ipv6: string
}

/** By flavour, where the name says it; `plain` is what just `iptables` is, if anything. */
export interface InstalledIptables {
  readonly legacy: boolean
  readonly nft: boolean
  readonly plain: IptablesFlavour | undefined
}

export interface IptablesSituation {
  /** `FORCE_IPTABLES_BINARY`. */
  readonly forced: IptablesFlavour | undefined
  /** What was chosen earlier on this machine since it was started. */
  readonly remembered: IptablesFlavour | undefined
  readonly has: InstalledIptables
  /** Whether the node has legacy rules. */
  readonly usesLegacy: boolean
}

/**
 * Which flavour: the forced one, else what the node's own rules are written with. A choice holds until the machine is started
 * anew: looking at it again would find our own rules (istio/istio#61020). Pure.
 *
 * @throws {CniError} `PLATFORM_UNSUPPORTED` when the forced one, or any, is not installed.
 */
export function chooseIptables({ forced, remembered, has, usesLegacy }: IptablesSituation): IptablesPrograms {
  const isThere = (flavour: IptablesFlavour): boolean => has[flavour] || has.plain === flavour
  if (forced !== undefined && !isThere(forced))
    throw new CniError(
      'PLATFORM_UNSUPPORTED',
      `FORCE_IPTABLES_BINARY is ${forced}, but iptables-${forced} is not installed`,
    )
  const wanted: readonly (IptablesFlavour | undefined)[] = [
    forced,
    remembered,
    usesLegacy ? 'legacy' : undefined,
    'nft',
    has.plain,
    'legacy',
  ]
  const flavour = wanted.find((each) => each !== undefined && isThere(each))
  if (flavour === undefined)
    throw new CniError(
      'PLATFORM_UNSUPPORTED',
      'Cannot redirect with iptables: no iptables is installed; install it, or use --redirect-mode nftables',
    )
  return iptablesPrograms(flavour, has)
}

/** The programs of a flavour, by the names they have here; those of one that is not installed at all have none that works. Pure. */
export function iptablesPrograms(flavour: IptablesFlavour, has: InstalledIptables): IptablesPrograms {
  const suffix = has[flavour] || has.plain !== flavour ? `-${flavour}` : ''
  return { name: `iptables-${flavour}`, ipv4: `iptables${suffix}`, ipv6: `ip6tables${suffix}` }
}

/** Reads `iptables --version`: versions before 1.8 name no flavour and have only the old one. Pure. */
export function flavourOf(version: string): IptablesFlavour {
  return version.includes('(nf_tables)') ? 'nft' : 'legacy'
}

/** Which programs are installed. */
export async function installedIptables(run: RunProgram): Promise<InstalledIptables> {
  const versionOf = async (program: string): Promise<string | undefined> =>
    run([program, '--version']).then(
      ({ status, stdout }) => (status === 0 ? stdout : undefined),
      () => undefined, // not installed
    )
  const [plain, legacy, nft] = await Promise.all(
    ['iptables', 'iptables-legacy', 'iptables-nft'].map(versionOf),
  )
  return {
    legacy: legacy !== undefined,
    nft: nft !== undefined,
    plain: plain === undefined ? undefined : flavourOf(plain),
  }
}

export interface IptablesLookDeps {
  readonly run: RunProgram
  readonly has: InstalledIptables
  readonly hostNetns: NetworkNamespace
  /** Remembers the choice; in a directory that the next start of the machine empties. */
  readonly file: string
}

/** Looks at the node and changes nothing there. @throws {CniError} as `chooseIptables` */
export async function findIptables(
  forced: IptablesFlavour | undefined,
  { run, has, hostNetns, file }: IptablesLookDeps,
): Promise<IptablesPrograms> {
  const chosen = chooseIptables({
    forced,
    remembered: readChoice(file),
    has,
    usesLegacy:
      (has.legacy || has.plain === 'legacy') &&
      (await hasLegacyRules(run, hostNetns, iptablesPrograms('legacy', has).ipv4)),
  })
  writeFileSync(file, chosen.name)
  return chosen
}

/** The program itself would make empty tables: it is asked only where there are some. */
async function hasLegacyRules(
  run: RunProgram,
  hostNetns: NetworkNamespace,
  program: string,
): Promise<boolean> {
  if (hostNetns.enter(() => legacyTables('ipv4')).length === 0) return false
  const saved = parseIptablesSave(await mustRun(run, [`${program}-save`], { netns: hostNetns }))
  return saved.some(({ rules, chains }) => rules.length + chains.length > 0)
}

function readChoice(file: string): IptablesFlavour | undefined {
  const text = textOf(file).trim()
  return text === 'iptables-nft' ? 'nft' : text === 'iptables-legacy' ? 'legacy' : undefined
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // not there
  }
}
