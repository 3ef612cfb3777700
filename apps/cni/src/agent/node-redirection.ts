import type { Scope } from '@ambient/lifecycle'
import { NetworkNamespace } from '@ambient/linux'
import type { Logger } from '@ambient/telemetry'
import { CniError } from '../cni-error.ts'
import { kubeletUid } from '../redirect/kubelet-uid.ts'
import { podSysctls } from '../redirect/pod-sysctls.ts'
import { type NodeRedirection, openRedirection } from '../redirect/redirect-backends.ts'
import { createProgramRunner } from '../redirect/run-program.ts'
import type { AgentOptions } from './agent-options.ts'
import { cniLimits } from './cni-limits.ts'

/** The backends of this node; `scope` owns what they hold. @throws {CniError} `PLATFORM_UNSUPPORTED` */
export function openNodeRedirection(
  { runDirectory, settings, redirect, switchToHostNetns }: AgentOptions,
  { procRoot, logger }: { readonly procRoot: string; readonly logger: Logger },
  scope: Scope,
): Promise<NodeRedirection> {
  const run = createProgramRunner({
    maxRunning: cniLimits.programs,
    maxOutputBytes: cniLimits.programOutputBytes,
    deadlineMs: cniLimits.programMs,
  })
  const hostNetns = scope.use(
    NetworkNamespace.open(switchToHostNetns ? `${procRoot}/1/ns/net` : '/proc/self/ns/net'),
  )
  return openRedirection(
    { ...redirect, settings, runDirectory, maxReferences: cniLimits.ruleReferences },
    { run, hostNetns, sysctls: podSysctls(procRoot), kubeletUid: () => findKubeletUid(procRoot, logger) },
  )
}

/** Takes away what an agent in another mode has left on the node; a program that is not installed has left nothing. */
export async function removeOtherProbes({ otherProbes }: NodeRedirection): Promise<void> {
  for (const probe of otherProbes) {
    await probe.removeAll().catch((cause: unknown) => {
      if (!(cause instanceof CniError) || cause.code !== 'PLATFORM_UNSUPPORTED') throw cause
    })
  }
}

function findKubeletUid(procRoot: string, logger: Logger): number {
  const found = kubeletUid(procRoot)
  if (found === undefined)
    logger.debug('no kubelet found on this node; what root sends to pods counts as probes')
  return found ?? 0
}
