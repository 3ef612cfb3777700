import { Field, isRecord } from '@ambient/kube'
import { canonicalIp } from '@ambient/model'
import { CniError } from '../cni-error.ts'

export const cniVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const

/** What the runtime asks of the plugin, as the plugin handed it over. */
export interface CniRequest {
  readonly command: string
  readonly containerId: string
  readonly netnsPath: string
  readonly interfaceName: string
  readonly pod:
    | { readonly namespace: string; readonly name: string; readonly uid: string | undefined }
    | undefined
  readonly cniVersion: string
  /** Byte for byte as it was given; undefined in a chain that has none. */
  readonly prevResult: string | undefined
  /** The pod's addresses, from `prevResult`. */
  readonly ips: readonly string[]
  /** STATUS succeeds even before the agent is ready: the node's network shall not depend on it. */
  readonly readyWithoutAgent: boolean
  /** Container ids that are still attached; GC only. */
  readonly validContainers: readonly string[]
}

const MAX_ENVIRONMENT_BYTES = 131_072

/**
 * Reads the plugin's message: each `NAME=value` ended by NUL, one more NUL, then the network configuration.
 *
 * @throws {CniError} `CNI_REQUEST_INVALID` saying what is missing.
 */
export function decodeCniRequest(body: Buffer): CniRequest {
  const { environment, config: text } = splitMessage(body)
  const config = parseConfig(text)
  const prevResult = rawMember(text, 'prevResult')
  return {
    command: environment.get('CNI_COMMAND') ?? '',
    containerId: environment.get('CNI_CONTAINERID') ?? '',
    netnsPath: environment.get('CNI_NETNS') ?? '',
    interfaceName: environment.get('CNI_IFNAME') ?? '',
    pod: readPodName(environment.get('CNI_ARGS') ?? ''),
    cniVersion: config.get('cniVersion').text() ?? '0.2.0', // before 0.3.0 a configuration without a version was valid
    prevResult,
    ips: readIps(config.get('prevResult')),
    readyWithoutAgent: config.get('ready_without_agent').value === true,
    validContainers: config
      .get('cni.dev/valid-attachments')
      .list()
      .map((item) => item.get('containerID').requiredText()),
  }
}

function splitMessage(body: Buffer): {
  readonly environment: ReadonlyMap<string, string>
  readonly config: string
} {
  const end = body.subarray(0, MAX_ENVIRONMENT_BYTES + 2).indexOf('\0\0')
  const start = body[0] === 0 ? 1 : end + 2
  if (end < 0 && body[0] !== 0) throw new CniError('CNI_REQUEST_INVALID', 'the environment does not end')
  const lines = body[0] === 0 ? [] : body.toString('utf8', 0, end).split('\0')
  const environment = new Map(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  return { environment, config: body.toString('utf8', start) }
}

function parseConfig(text: string): Field {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CniError('CNI_REQUEST_INVALID', 'the network configuration is no JSON', { cause })
  }
  if (!isRecord(value))
    throw new CniError('CNI_REQUEST_INVALID', 'the network configuration is no JSON object')
  return new Field('network configuration', value)
}

function readPodName(args: string): CniRequest['pod'] {
  const pairs = new Map(
    args.split(';').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  )
  const namespace = pairs.get('K8S_POD_NAMESPACE') ?? ''
  const name = pairs.get('K8S_POD_NAME') ?? ''
  const uid = pairs.get('K8S_POD_UID')
  return namespace === '' || name === '' ? undefined : { namespace, name, uid: uid === '' ? undefined : uid }
}

function readIps(prevResult: Field): readonly string[] {
  return prevResult
    .get('ips')
    .list()
    .flatMap((item) => canonicalIp((item.get('address').text() ?? '').split('/')[0] ?? '') ?? [])
}

/**
 * The text of the last member `name` of an object that is known to be valid JSON, exactly as it stands there: what goes on to
 * the next plugin must not be printed anew.
 */
export function rawMember(text: string, name: string): string | undefined {
  let found: string | undefined
  for (const member of membersOf(text))
    if (JSON.parse(member.key) === name) found = text.slice(member.from, member.to).trim()
  return found
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g
const STEP: Readonly<Record<string, number>> = { '{': 1, '[': 1, '}': -1, ']': -1 }

/** The members of the outermost object: each key as it is written, and where its value lies. */
function* membersOf(
  text: string,
): Generator<{ readonly key: string; readonly from: number; readonly to: number }> {
  let depth = 0
  let key: string | undefined
  let from = 0
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (depth === 1 && key !== undefined && (token === ',' || token === '}')) {
      yield { key, from, to: index }
      key = undefined
    }
    depth += STEP[token] ?? 0
    if (depth !== 1) continue
    if (token === ':') from = index + 1
    else if (token.startsWith('"')) key ??= token
  }
}
