import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseObject, type PluginRun, runPlugin } from './run-plugin.ts'

/** Where Debian has its plugins. */
export const SYSTEM_PLUGINS = '/usr/lib/cni'

/** A pod's sandbox, as far as a plugin is told of it. */
export interface Sandbox {
  readonly name: string
  readonly uid: string
  readonly containerId: string
  /** Of a namespace that has a name. */
  readonly netns: string
}

/** A network as the runtime loaded it. */
export interface Network {
  readonly file: string
  readonly name: string
  readonly cniVersion: string
  readonly plugins: readonly { readonly type: string }[]
}

export interface ChainRequest {
  readonly network: Network
  readonly command: string
  readonly environment: Readonly<Record<string, string>>
  /** Where plugins are looked for, in order. */
  readonly directories: readonly string[]
  /** Put before each plugin, such as `nsenter … --`. */
  readonly within: readonly string[]
  /** For everything but ADD: what ADD answered, if it did. */
  readonly result: string | undefined
}

/** What a runtime takes from its directory: the first in order of names. */
export function firstNetwork(directory: string, isThere: (name: string) => boolean = () => true): Network {
  const [file] = readdirSync(directory)
    .filter((name) => /\.(conf|conflist|json)$/.test(name) && isThere(name))
    .toSorted()
  if (file === undefined) throw new Error(`No network is configured in ${directory}`)
  const network = parseObject(readFileSync(join(directory, file), 'utf8')) as unknown as Network
  if (!Array.isArray(network.plugins)) throw new Error(`${file} is no list of plugins`)
  return { ...network, file }
}

/**
 * Runs the plugins of a network as libcni does: ADD in order, each with the result of the one before, everything else backwards
 * with the result of ADD; the first failure is the answer. Results are handed on as bytes, so that nobody's form is lost.
 */
export async function runChain(
  request: ChainRequest,
): Promise<PluginRun & { readonly results: readonly string[] }> {
  const { network, command, result } = request
  const isAdd = command === 'ADD'
  const results: string[] = []
  const plugins = isAdd || command === 'CHECK' ? network.plugins : network.plugins.toReversed()
  for (const plugin of plugins) {
    const input = pluginInput(network, plugin, isAdd ? results.at(-1) : result)
    const run = await runPlugin(
      [...request.within, find(plugin.type, request.directories)],
      request.environment,
      input,
    )
    if (run.status !== 0) return { ...run, results }
    results.push(run.stdout)
  }
  return { status: 0, stdout: isAdd ? (results.at(-1) ?? '') : '', stderr: '', results }
}

export function pluginInput(network: Network, plugin: object, prevResult: string | undefined): string {
  const text = JSON.stringify({ ...plugin, cniVersion: network.cniVersion, name: network.name })
  return prevResult === undefined ? text : `${text.slice(0, -1)},"prevResult":${prevResult}}`
}

function find(type: string, directories: readonly string[]): string {
  const found = directories.map((directory) => join(directory, type)).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`failed to find plugin "${type}" in ${directories.join(':')}`)
  return found
}

/** What libcni gives a plugin. */
export function environmentOf(
  command: string,
  pod: Sandbox,
  namespace: string,
): Readonly<Record<string, string>> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: pod.containerId,
    CNI_NETNS: `/run/netns/${pod.netns}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: SYSTEM_PLUGINS,
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${pod.name};K8S_POD_INFRA_CONTAINER_ID=${pod.containerId};K8S_POD_UID=${pod.uid}`,
  }
}
