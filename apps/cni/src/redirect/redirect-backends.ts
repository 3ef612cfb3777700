import { NetworkNamespace } from '@ambient/linux'
import { CniError, messageOf } from '../cni-error.ts'
import { findIptables, installedIptables, type IptablesFlavour, iptablesPrograms } from './choose-iptables.ts'
import type { HostProbe } from './host-probe.ts'
import { IptablesHostProbe } from './iptables-host-probe.ts'
import { IptablesRules } from './iptables-rules.ts'
import { NetfilterBackend } from './netfilter-backend.ts'
import { NftHostProbe } from './nft-host-probe.ts'
import { NftRules } from './nft-rules.ts'
import type { PacketRules } from './packet-rules.ts'
import type { PodSysctls } from './pod-sysctls.ts'
import {
  type BackendName,
  backendNames,
  type RedirectBackend,
  type RedirectMode,
  type RedirectSettings,
} from './redirect-backend.ts'
import { mustRun, type RunProgram } from './run-program.ts'

/** Every backend, since pods may have been enrolled with any; and the one that pods are enrolled with from now on. */
export interface RedirectBackends {
  readonly chosen: RedirectBackend
  readonly byName: Readonly<Record<BackendName, RedirectBackend>>
}

/** The backends of a machine, and the node's side of each mode. */
export interface NodeRedirection extends RedirectBackends {
  readonly run: RunProgram
  readonly probe: HostProbe
  /** Of other modes: what an agent that ran in one has left is theirs to remove. */
  readonly otherProbes: readonly HostProbe[]
}

export interface BackendsOptions {
  readonly mode: RedirectMode
  /** Which of the kernel's two iptables; undefined: what the node's own rules are written with. */
  readonly forcedIptables: IptablesFlavour | undefined
  /** False: `iptables` takes the lock of the whole host. */
  readonly scopedLocks: boolean
  readonly settings: Pick<RedirectSettings, 'probe' | 'ipv6'>
  readonly runDirectory: string
  readonly maxReferences: number
}

export interface BackendsDeps {
  readonly run: RunProgram
  readonly sysctls: PodSysctls
  readonly hostNetns: NetworkNamespace
  readonly kubeletUid: () => number
}

/**
 * Finds the backend of the mode on this machine.
 *
 * @throws {CniError} `PLATFORM_UNSUPPORTED` when its programs are not installed.
 */
export async function openRedirection(
  options: BackendsOptions,
  deps: BackendsDeps,
): Promise<NodeRedirection> {
  const { run, sysctls, hostNetns, kubeletUid } = deps
  const { probe, ipv6 } = options.settings
  const has = await installedIptables(run)
  const file = `${options.runDirectory}/iptables-flavour`
  const found =
    options.mode === 'iptables'
      ? await findIptables(options.forcedIptables, { run, has, hostNetns, file })
      : undefined
  const lockDirectory = options.scopedLocks ? options.runDirectory : undefined
  const byRules = (rules: PacketRules): RedirectBackend => new NetfilterBackend({ sysctls, rules })
  const legacy = iptablesPrograms('legacy', has)
  const nft = iptablesPrograms('nft', has)
  const byName = {
    'iptables-legacy': byRules(new IptablesRules(legacy, { run, lockDirectory })),
    'iptables-nft': byRules(new IptablesRules(nft, { run, lockDirectory })),
    nftables: byRules(new NftRules({ run, maxReferences: options.maxReferences })),
  }
  const probes = {
    'iptables-legacy': new IptablesHostProbe({ run, hostNetns, probe, ipv6, programs: legacy }),
    'iptables-nft': new IptablesHostProbe({ run, hostNetns, probe, ipv6, programs: nft }),
    nftables: new NftHostProbe({ run, hostNetns, probe, ipv6, kubeletUid }),
  }
  const name = found?.name ?? 'nftables'
  return {
    run,
    byName,
    chosen: byName[name],
    probe: probes[name],
    otherProbes: backendNames.filter((each) => each !== name).map((each) => probes[each]),
  }
}

/**
 * Enrols a namespace of nobody's, so that a machine which cannot redirect says so at the start and not for every pod.
 *
 * @throws {CniError} `PLATFORM_UNSUPPORTED` with what the programs said.
 */
export async function tryRedirection(
  { chosen, run }: NodeRedirection,
  settings: RedirectSettings,
): Promise<void> {
  using scratch = NetworkNamespace.create()
  try {
    await mustRun(run, ['ip', 'link', 'set', 'lo', 'up'], { netns: scratch })
    await chosen.apply(scratch, settings, 'new')
  } catch (cause) {
    throw new CniError(
      'PLATFORM_UNSUPPORTED',
      `Cannot redirect with ${chosen.name} on this machine: ${messageOf(cause)}`,
      {
        cause,
      },
    )
  }
}
