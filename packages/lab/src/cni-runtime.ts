import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '@ambient/kube'
import { LabError } from './lab-error.ts'
import type { CommandOptions, CommandResult } from './run-command.ts'

/** One network: the plugins of a list, in order. */
export interface CniNetwork {
  readonly cniVersion: string
  readonly name: string
  readonly plugins: readonly CniPlugin[]
}

export interface CniPlugin {
  readonly type: string
  readonly [key: string]: unknown
}

/** A pod's sandbox as a CNI plugin is told of it. */
export interface CniAttachment {
  readonly containerId: string
  readonly netns: string
  readonly interfaceName: string
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string }
}

export interface CniResult {
  readonly ips: readonly string[]
  /** As the last plugin printed it: what DEL and CHECK are given as `prevResult`. */
  readonly json: Readonly<Record<string, unknown>>
}

export interface CniDeps {
  /** Runs a program in the node's namespaces. */
  readonly run: (argv: readonly string[], options: CommandOptions) => Promise<CommandResult>
  /** Where plugins are looked for, in order. */
  readonly findPlugin: (type: string) => string
  readonly pluginPath: string
}

type CniCommand = 'ADD' | 'DEL' | 'CHECK'

/** A kubelet gives a runtime two minutes; a lab wants to know sooner. */
const PLUGIN_DEADLINE_MS = 20_000

/** What a plugin answered instead of a result. Code 11 asks to try again later. */
export class CniRefusal extends LabError {
  readonly cniCode: number

  constructor(cniCode: number, message: string) {
    super('COMMAND_FAILED', message)
    this.cniCode = cniCode
  }
}

/** A container runtime's part of CNI: runs the plugins of a network. @see CNI specification 1.0.0, section 3 */
export class CniRuntime {
  readonly #network: () => CniNetwork
  readonly #deps: CniDeps

  /** @param network As it is configured at that moment: a change counts from the next call on. */
  constructor(network: () => CniNetwork, deps: CniDeps) {
    this.#network = network
    this.#deps = deps
  }

  /** Runs the chain; when a plugin refuses, undoes what the others did. @throws {CniRefusal} */
  async add(attachment: CniAttachment): Promise<CniResult> {
    let json: Readonly<Record<string, unknown>> | undefined
    const network = this.#network()
    try {
      for (const plugin of network.plugins)
        json = await this.#call('ADD', { network, plugin }, attachment, json)
    } catch (cause) {
      await this.del(attachment, json)
      throw cause
    }
    return { ips: readIps(json ?? {}), json: json ?? {} }
  }

  /** Runs the chain backwards. Every plugin gets its turn; the first refusal is thrown at the end. @throws {CniRefusal} */
  async del(attachment: CniAttachment, result: Readonly<Record<string, unknown>> | undefined): Promise<void> {
    const refusals: unknown[] = []
    const network = this.#network()
    for (const plugin of network.plugins.toReversed()) {
      await this.#call('DEL', { network, plugin }, attachment, result).catch((cause: unknown) =>
        refusals.push(cause),
      )
    }
    if (refusals.length > 0) throw refusals[0]
  }

  async #call(
    command: CniCommand,
    { network, plugin }: { readonly network: CniNetwork; readonly plugin: CniPlugin },
    attachment: CniAttachment,
    prevResult: Readonly<Record<string, unknown>> | undefined,
  ): Promise<Readonly<Record<string, unknown>> | undefined> {
    const request = {
      ...plugin,
      cniVersion: network.cniVersion,
      name: network.name,
      ...(prevResult === undefined ? {} : { prevResult }),
    }
    const { code, stdout, stderr } = await this.#deps.run([this.#deps.findPlugin(plugin.type)], {
      input: JSON.stringify(request),
      env: environment(command, attachment, this.#deps.pluginPath),
      deadlineMs: PLUGIN_DEADLINE_MS,
    })
    const answer = parseRecord(stdout)
    if (code === 0) return command === 'ADD' ? (answer ?? {}) : undefined
    const cniCode = typeof answer?.['code'] === 'number' ? answer['code'] : 999
    const said = [answer?.['msg'], answer?.['details']].filter((text) => typeof text === 'string').join(' ')
    const why = said === '' ? `${stdout}${stderr}` : said
    throw new CniRefusal(cniCode, `CNI ${command} by ${plugin.type} refused with ${cniCode}: ${why.trim()}`)
  }
}

function environment(
  command: CniCommand,
  attachment: CniAttachment,
  pluginPath: string,
): Record<string, string> {
  const { namespace, name, uid } = attachment.pod
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachment.containerId,
    CNI_NETNS: attachment.netns,
    CNI_IFNAME: attachment.interfaceName,
    CNI_PATH: pluginPath,
    CNI_ARGS: [
      'IgnoreUnknown=1',
      `K8S_POD_NAMESPACE=${namespace}`,
      `K8S_POD_NAME=${name}`,
      `K8S_POD_INFRA_CONTAINER_ID=${attachment.containerId}`,
      `K8S_POD_UID=${uid}`,
    ].join(';'),
  }
}

/** Where pods get an address from, and what they have a route to by it. */
export interface PodSubnet {
  readonly subnet: string
  readonly everywhere: string
}

/** The network of pods: a cable to the node for each, so that all its packets cross the node's own routing and DNAT. */
export function podNetwork(subnets: readonly PodSubnet[]): CniNetwork {
  const ipam = {
    type: 'host-local',
    dataDir: '/run/cni/networks',
    ranges: subnets.map(({ subnet }) => [{ subnet }]),
    routes: subnets.map(({ everywhere }) => ({ dst: everywhere })),
  }
  return { cniVersion: '1.0.0', name: 'lab', plugins: [{ type: 'ptp', ipMasq: false, mtu: 1500, ipam }] }
}

export const loopbackNetwork: CniNetwork = {
  cniVersion: '1.0.0',
  name: 'loopback',
  plugins: [{ type: 'loopback' }],
}

/** The first list of plugins in a directory, in order of names, as runtimes choose. @throws {LabError} `NOT_FOUND` */
export function configuredNetwork(directory: string): CniNetwork {
  for (const name of readdirSync(directory).toSorted()) {
    const list = name.endsWith('.conflist')
      ? parseRecord(readFileSync(join(directory, name), 'utf8'))
      : undefined
    if (list === undefined || !Array.isArray(list['plugins'])) continue
    return {
      cniVersion: String(list['cniVersion']),
      name: String(list['name']),
      plugins: list['plugins'].filter(isPlugin),
    }
  }
  throw new LabError('NOT_FOUND', `No network is configured in ${directory}`)
}

function isPlugin(value: unknown): value is CniPlugin {
  return isRecord(value) && typeof value['type'] === 'string'
}

function readIps(result: Readonly<Record<string, unknown>>): readonly string[] {
  const ips: readonly unknown[] = Array.isArray(result['ips']) ? result['ips'] : []
  return ips.flatMap((ip) => {
    const address = isRecord(ip) ? ip['address'] : undefined
    return typeof address === 'string' ? [address.split('/')[0] ?? ''] : []
  })
}

function parseRecord(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined // a plugin that crashed says something else, which the refusal quotes
  }
}
