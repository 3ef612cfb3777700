import { isDeepStrictEqual } from 'node:util'
import {
  callsPlugin,
  type ConfFile,
  isConfName,
  type NetworkList,
  networkText,
  parseRecord,
  type PluginObject,
  readNetwork,
  sortsBefore,
  withoutPlugin,
  withPlugin,
} from './network-conf.ts'

/** How the plugin gets into the runtime's networks. */
export type ConfMode =
  /** A file of our own that the runtime takes first: the primary's network with our plugin behind it. */
  | 'owned'
  /** Our plugin behind the primary's, in the primary's own file. */
  | 'chained'
  /** A network that has our plugin alone, for Multus to attach. */
  | 'standalone'

export interface ConfSettings {
  readonly mode: ConfMode
  /** Of our own file, ending in `istio-cni.conf` or `.conflist`; where another would be taken first, an earlier one is chosen. */
  readonly ownName: string
  /** The primary's file, where it is not the first that can be used. */
  readonly primaryName: string | undefined
  /** Permission bits of a file that is ours. */
  readonly fileMode: number
  readonly plugin: PluginObject
}

export type ConfPlan =
  | { readonly kind: 'in-place'; readonly name: string; readonly source: string }
  /** Write first, then remove: at no moment is there less than before. */
  | {
      readonly kind: 'change'
      readonly source: string
      readonly write: ConfFile
      readonly remove: readonly string[]
    }
  | { readonly kind: 'wait'; readonly because: string }
  | { readonly kind: 'impossible'; readonly because: string }

/** What the uninstallation does, in this order: no runtime may at any moment call a plugin that is gone. */
export interface ConfRemoval {
  readonly write: readonly ConfFile[]
  readonly remove: readonly string[]
}

/** Names of ours that sort before a file for which the configured one sorts too late. */
const EARLIER_NAMES = ['00-istio-cni.conflist', '0-istio-cni.conflist']
/** Multus takes the first network that is not called `00-multus…` for the one it is to run: ours would have it run itself. */
const NAMES_BEFORE_MULTUS = ['00-multus-istio-cni.conflist']
const STANDALONE_VERSION = '0.3.1'

/** What must be written so that the runtime calls our plugin behind the primary's; in place when nothing differs. Pure. */
export function planConf(all: readonly ConfFile[], settings: ConfSettings): ConfPlan {
  const files = all.filter(({ name }) => isConfName(name)).toSorted(byName)
  if (settings.mode === 'standalone') return planStandalone(files, settings)
  const foreign = files.filter((file) => !isOwn(file))
  const primary = findPrimary(foreign, settings.primaryName)
  return settings.mode === 'owned'
    ? planOwned(files, primary, settings)
    : planChained(files, primary, settings)
}

/** Takes our plugin out of every network: the primaries first, so that they are whole when our own file goes. Pure. */
export function planConfRemoval(all: readonly ConfFile[]): ConfRemoval {
  const files = all.filter(({ name }) => isConfName(name)).toSorted(byName)
  const calling = files.filter((file) => !isOwn(file) && callsPlugin(file))
  const left = calling.map((file) => ({ file, rest: withoutPlugin(readNetwork(file) ?? { plugins: [] }) }))
  const emptied = left.filter(({ rest }) => rest.plugins.length === 0).map(({ file }) => file.name)
  return {
    write: left
      .filter(({ rest }) => rest.plugins.length > 0)
      .map(({ file, rest }) => ({ ...file, text: networkText(rest) })),
    remove: [...emptied, ...files.filter((file) => isOwn(file)).map(({ name }) => name)],
  }
}

interface Primary {
  readonly file: ConfFile
  readonly network: NetworkList
}

function planOwned(
  files: readonly ConfFile[],
  primary: Primary | undefined,
  settings: ConfSettings,
): ConfPlan {
  const own = files.filter((file) => isOwn(file))
  // Without a primary the last copy stays: a runtime without it would start pods outside the mesh as soon as one appears.
  const source = primary ?? findPrimary(own, undefined)
  if (source === undefined) return waiting(settings)
  const others = files.filter((file) => !own.includes(file))
  const names = isMultus(source.network) ? NAMES_BEFORE_MULTUS : [settings.ownName, ...EARLIER_NAMES]
  const name = names.find((each) => others.every((other) => sortsBefore(each, other.name)))
  if (name === undefined) {
    const first = others[0]?.name ?? ''
    return { kind: 'impossible', because: `the runtime takes ${first} before any name of ours; rename it` }
  }
  const text = networkText(withPlugin(source.network, settings.plugin))
  return planFile(files, {
    source: source.file.name,
    file: { name, text, mode: settings.fileMode },
    remove: own.filter((file) => file.name !== name).map((file) => file.name),
  })
}

function planChained(
  files: readonly ConfFile[],
  primary: Primary | undefined,
  settings: ConfSettings,
): ConfPlan {
  if (primary === undefined) return waiting(settings)
  const { name, mode } = primary.file
  const listName = name.replace(/\.(conf|json)$/, '.conflist')
  const file = { name: listName, text: networkText(withPlugin(primary.network, settings.plugin)), mode }
  const own = files.filter((each) => isOwn(each)).map((each) => each.name)
  return planFile(files, { source: name, file, remove: [...(name === listName ? [] : [name]), ...own] })
}

function planStandalone(files: readonly ConfFile[], settings: ConfSettings): ConfPlan {
  const name = settings.primaryName ?? settings.ownName
  const text = networkText({ cniVersion: STANDALONE_VERSION, ...settings.plugin })
  const remove = files.filter((file) => isOwn(file) && file.name !== name).map((file) => file.name)
  return planFile(files, { source: name, file: { name, text, mode: settings.fileMode }, remove })
}

function planFile(
  files: readonly ConfFile[],
  wanted: { readonly source: string; readonly file: ConfFile; readonly remove: readonly string[] },
): ConfPlan {
  const { file, source, remove } = wanted
  const there = files.find(({ name }) => name === file.name)
  const isThere =
    there?.mode === file.mode && isDeepStrictEqual(parseRecord(there.text), parseRecord(file.text))
  return isThere && remove.length === 0
    ? { kind: 'in-place', name: file.name, source }
    : { kind: 'change', source, write: file, remove }
}

/** The first file that is a network of others, or the one that was named, under either ending. */
function findPrimary(files: readonly ConfFile[], wanted: string | undefined): Primary | undefined {
  const names = wanted === undefined ? undefined : [wanted, otherEnding(wanted)]
  const candidates = names?.flatMap((name) => files.find((file) => file.name === name) ?? []) ?? files
  for (const file of candidates) {
    const network = readNetwork(file)
    if (network !== undefined && withoutPlugin(network).plugins.length > 0) return { file, network }
  }
  return undefined
}

function isMultus({ plugins }: NetworkList): boolean {
  return plugins.some(({ type }) => type === 'multus' || type === 'multus-shim')
}

function otherEnding(name: string): string {
  return name.endsWith('.conf') ? `${name}list` : name.replace(/\.conflist$/, '.conf')
}

/** By its name alone: what is in it may have been changed by others. */
function isOwn({ name }: ConfFile): boolean {
  return /istio-cni\.(conf|conflist)$/.test(name)
}

function waiting({ primaryName }: ConfSettings): ConfPlan {
  return {
    kind: 'wait',
    because:
      primaryName === undefined
        ? 'no file there is a network that a runtime could use'
        : `${primaryName} is no network that a runtime could use`,
  }
}

function byName(a: ConfFile, b: ConfFile): number {
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))
}
