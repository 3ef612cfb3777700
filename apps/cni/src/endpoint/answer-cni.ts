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

/** The version of the specification that brought a verb. */
const SINCE: Readonly<Record<string, (typeof cniVersions)[number]>> = {
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
}

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
  const since = SINCE[request.command] ?? cniVersions[0]
  if (isOlder(request.cniVersion, since)) {
    const msg = `CNI version ${request.cniVersion} has no ${request.command}`
    return cniFailure(request.cniVersion, CODE.incompatible, msg, `it is there since ${since}`)
  }
  const unusable = unusableVariable(request)
  if (unusable !== undefined) {
    const msg = `${unusable} is not set, or not as the specification has it`
    return cniFailure(request.cniVersion, CODE.invalidEnvironment, msg, request.command)
  }
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
      if (actions.isReady || request.readyWithoutAgent) return { exit: 0, body: '' }
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

function isOlder(version: string, than: string): boolean {
  return cniVersions.findIndex((each) => each === version) < cniVersions.findIndex((each) => each === than)
}

function unusableVariable(request: CniRequest): string | undefined {
  const { command, containerId, netnsPath, interfaceName } = request
  if (command !== 'ADD' && command !== 'CHECK' && command !== 'DEL') return undefined
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(containerId)) return 'CNI_CONTAINERID'
  if (!/^[^\s/:]{1,15}$/.test(interfaceName)) return 'CNI_IFNAME'
  return command !== 'DEL' && netnsPath === '' ? 'CNI_NETNS' : undefined
}
