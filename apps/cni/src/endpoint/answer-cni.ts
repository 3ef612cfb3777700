import { CniError, messageOf } from '../cni-error.ts'
import type { CniRequest } from './cni-request.ts'
import { cniVersions } from './cni-request.ts'

export interface CniAnswer {
  /** What the plugin exits with. */
  readonly exit: 0 | 1
  /** What the plugin prints. */
  readonly body: string
}

/** What a pod of a request is to the mesh. */
export type Verdict = 'pass' | 'enrol'

/** The agent, as far as a request of the plugin needs it. */
export interface CniActions {
  /** @throws {CniError} when the pod is not known in time: a pod that may be the mesh's never starts outside of it. */
  judge(request: CniRequest): Promise<Verdict>
  enrol(request: CniRequest): Promise<void>
  /** @throws {CniError} when the pod's redirection is not whole. */
  check(request: CniRequest): Promise<void>
  detach(containerId: string): Promise<void>
  /** Everything held for containers that are not listed goes. */
  detachAllBut(containerIds: readonly string[]): Promise<void>
  readonly isReady: boolean
}

/** Codes of the CNI specification. */
const CODE = {
  incompatible: 1,
  invalidEnvironment: 4,
  invalidConfig: 7,
  tryAgain: 11,
  notAvailable: 50,
  redirectionMissing: 100,
} as const

/** Answers one request; whatever goes wrong becomes a CNI error, never silence. */
export async function answerCni(request: CniRequest, actions: CniActions): Promise<CniAnswer> {
  if (!cniVersions.some((version) => version === request.cniVersion)) {
    return cniFailure(
      request.cniVersion,
      CODE.incompatible,
      'Unsupported CNI version',
      `this plugin speaks ${cniVersions.join(', ')}`,
    )
  }
  const missing = missingVariable(request)
  if (missing !== undefined)
    return cniFailure(request.cniVersion, CODE.invalidEnvironment, `${missing} is not set`, request.command)
  try {
    return await carryOut(request, actions)
  } catch (cause) {
    const code =
      request.command === 'CHECK' && cause instanceof CniError && cause.code === 'RULES_NOT_VERIFIED'
        ? CODE.redirectionMissing
        : CODE.tryAgain
    return cniFailure(request.cniVersion, code, `Cannot carry out CNI ${request.command}`, messageOf(cause))
  }
}

/** The error object of the CNI specification, as the plugin prints it. */
export function cniFailure(cniVersion: string, code: number, msg: string, details: string): CniAnswer {
  return { exit: 1, body: `${JSON.stringify({ cniVersion, code, msg, details })}\n` }
}

async function carryOut(request: CniRequest, actions: CniActions): Promise<CniAnswer> {
  switch (request.command) {
    case 'ADD':
      if ((await actions.judge(request)) === 'enrol') await actions.enrol(request)
      return { exit: 0, body: request.prevResult ?? JSON.stringify({ cniVersion: request.cniVersion }) }
    case 'CHECK':
      if ((await actions.judge(request)) === 'enrol') await actions.check(request)
      return { exit: 0, body: '' }
    case 'DEL':
      await actions.detach(request.containerId)
      return { exit: 0, body: '' }
    case 'GC':
      await actions.detachAllBut(request.validContainers)
      return { exit: 0, body: '' }
    case 'STATUS':
      if (actions.isReady) return { exit: 0, body: '' }
      return cniFailure(
        request.cniVersion,
        CODE.notAvailable,
        'The agent is not ready yet',
        'it has not yet seen the cluster',
      )
    default:
      return cniFailure(
        request.cniVersion,
        CODE.invalidEnvironment,
        'CNI_COMMAND is unknown',
        request.command,
      )
  }
}

function missingVariable({ command, containerId, netnsPath }: CniRequest): string | undefined {
  const needsContainer = command === 'ADD' || command === 'CHECK' || command === 'DEL'
  if (needsContainer && containerId === '') return 'CNI_CONTAINERID'
  return (command === 'ADD' || command === 'CHECK') && netnsPath === '' ? 'CNI_NETNS' : undefined
}
