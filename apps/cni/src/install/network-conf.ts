import { isRecord, type UnknownRecord } from '@ambient/kube'

/** One file of the directory in which the container runtime looks for networks. */
export interface ConfFile {
  readonly name: string
  readonly text: string
  /** Permission bits. */
  readonly mode: number
}

/** A list of plugins as a runtime runs it; everything that we do not know stays in it. */
export interface NetworkList extends UnknownRecord {
  readonly plugins: readonly UnknownRecord[]
}

/** Our plugin's own object in such a list. */
export interface PluginObject {
  readonly type: typeof PLUGIN_TYPE
  readonly [key: string]: unknown
}

export const PLUGIN_TYPE = 'istio-cni'
/** For a network that names no version, or one from before lists and results could be chained. */
const LEAST_VERSION = '0.3.1'
/** Of a network that has no name: upstream's, and so what is already in use on such nodes. */
const DEFAULT_NAME = 'k8s-pod-network'

/** Runtimes take these three, in order of their bytes. @see libcni ConfFiles */
export function isConfName(name: string): boolean {
  return /\.(conf|conflist|json)$/.test(name)
}

/** Whether a runtime that takes the first of two files takes `a`. */
export function sortsBefore(a: string, b: string): boolean {
  return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0
}

/**
 * A network as a list of plugins, or undefined for a file that no runtime could use. As in libcni the ending decides what a
 * file must hold; a single plugin becomes the only one of a list, and keeps its name, by which address managers keep state. Pure.
 */
export function readNetwork({ name, text }: ConfFile): NetworkList | undefined {
  const value = parseRecord(text)
  if (value === undefined) return undefined
  const list = name.endsWith('.conflist') ? readPlugins(value) : wrapPlugin(value)
  return list === undefined ? undefined : { ...list, cniVersion: usableVersion(value['cniVersion']) }
}

/** Whether the file calls our plugin. */
export function callsPlugin(file: ConfFile): boolean {
  return readNetwork(file)?.plugins.some(isOurs) ?? false
}

export function withoutPlugin(list: NetworkList): NetworkList {
  return { ...list, plugins: list.plugins.filter((plugin) => !isOurs(plugin)) }
}

/** The same network with our plugin once, as the last. */
export function withPlugin(list: NetworkList, plugin: PluginObject): NetworkList {
  return { ...list, plugins: [...withoutPlugin(list).plugins, plugin] }
}

export function networkText(network: UnknownRecord): string {
  return `${JSON.stringify(network, undefined, 2)}\n`
}

export function parseRecord(text: string): UnknownRecord | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined // half written, or never JSON: no runtime can use it either
  }
}

function readPlugins(value: UnknownRecord): NetworkList | undefined {
  const { plugins } = value
  if (!Array.isArray(plugins) || plugins.length === 0) return undefined
  const known = plugins.filter(isPlugin)
  return known.length === plugins.length ? { ...value, plugins: known } : undefined
}

function wrapPlugin(value: UnknownRecord): NetworkList | undefined {
  if (!isPlugin(value)) return undefined
  const { cniVersion, name, ...plugin } = value
  return { name: name ?? DEFAULT_NAME, cniVersion, plugins: [plugin] }
}

function isPlugin(value: unknown): value is UnknownRecord {
  return isRecord(value) && typeof value['type'] === 'string' && value['type'] !== ''
}

function isOurs(plugin: UnknownRecord): boolean {
  return plugin['type'] === PLUGIN_TYPE
}

function usableVersion(value: unknown): string {
  if (typeof value !== 'string' || !/^\d+\.\d+\.\d+$/.test(value)) return LEAST_VERSION
  return /^0\.[012]\./.test(value) ? LEAST_VERSION : value
}
