/** What the agent does to a node's disk, from the beginning of each deed to its end. */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { createLogger, createMetrics, LevelFilter } from '@ambient/telemetry'
import { Registry } from 'prom-client'
import { PodRecords } from '../../src/agent/pod-records.ts'
import { Installation } from '../../src/install/installation.ts'
import type { ConfMode } from '../../src/install/plan-conf.ts'

/** What a node finds after the power cut. */
export type Finding =
  /** The runtime calls the plugin, which is whole, and holds pods back until the agent is there. */
  | 'holds'
  /** The primary's network as it was before the agent came. */
  | 'old'

export interface Scenario {
  readonly name: string
  /** A cut that came before the deed was done may leave these. */
  readonly during: readonly Finding[]
  /** A cut after its end may leave only this. */
  readonly after: Finding
  /** Makes what was there before, so that it is on the disk. */
  readonly prepare: (disk: Disk) => Promise<void>
  readonly act: (disk: Disk) => Promise<void>
}

/** A node's disk: networks, plugins, and the agent's records, in a file system of their own. */
export interface Disk {
  readonly networks: string
  readonly plugins: string
  readonly records: string
  /** Plugins of two agents, on another disk. */
  readonly plugin: string
  readonly olderPlugin: string
}

export const LIST = '10-primary.conflist'
const SINGLE = '10-primary.conf'
export const UID = '9d9f4b2c-6f0e-4a7c-9d53-6f0d4c1f8a11'

export const scenarios: readonly Scenario[] = [
  {
    name: 'the installation, with a file of our own',
    during: ['old', 'holds'],
    after: 'holds',
    prepare: async (disk) => primary(disk, LIST, 'bridge'),
    act: (disk) => install(disk, 'owned', disk.plugin),
  },
  {
    name: 'the installation, in the primary’s file, which gets another name',
    during: ['old', 'holds'],
    after: 'holds',
    prepare: async (disk) => primary(disk, SINGLE, 'bridge'),
    act: (disk) => install(disk, 'chained', disk.plugin),
  },
  {
    name: 'an upgrade: another plugin, called with other settings',
    during: ['holds'],
    after: 'holds',
    prepare: async (disk) => {
      primary(disk, LIST, 'bridge')
      await install(disk, 'owned', disk.olderPlugin)
    },
    act: (disk) => install(disk, 'owned', disk.plugin, ['kube-system']),
  },
  {
    name: 'a change of the primary’s network',
    during: ['holds'],
    after: 'holds',
    prepare: async (disk) => {
      primary(disk, LIST, 'bridge')
      await install(disk, 'owned', disk.plugin)
      primary(disk, LIST, 'ptp')
    },
    act: (disk) => install(disk, 'owned', disk.plugin),
  },
  {
    name: 'the enrolment of a pod, and its end',
    during: ['holds'],
    after: 'holds',
    prepare: async (disk) => {
      primary(disk, LIST, 'bridge')
      await install(disk, 'owned', disk.plugin)
    },
    act: async (disk) => {
      const records = new PodRecords(disk.records)
      const kept = { count: 0, names: [] }
      records.save({ uid: UID, backends: ['nftables'], containerId: 'c1', kept, before: {} })
      records.save({ uid: UID, backends: [], containerId: undefined, kept, before: {} })
      records.delete(UID)
    },
  },
  {
    name: 'the removal',
    during: ['holds', 'old'],
    after: 'old',
    prepare: async (disk) => {
      primary(disk, LIST, 'bridge')
      await install(disk, 'owned', disk.plugin)
    },
    act: (disk) => startInstallation(disk, 'owned', disk.plugin).uninstall(),
  },
  {
    name: 'the removal, from the primary’s file',
    during: ['holds', 'old'],
    after: 'old',
    prepare: async (disk) => {
      primary(disk, LIST, 'bridge')
      await install(disk, 'chained', disk.plugin)
    },
    act: (disk) => startInstallation(disk, 'chained', disk.plugin).uninstall(),
  },
]

async function install(
  disk: Disk,
  mode: ConfMode,
  pluginFile: string,
  excluded: readonly string[] = [],
): Promise<void> {
  await using installation = startInstallation(disk, mode, pluginFile, excluded)
  const { state } = installation
  if (state.kind !== 'installed') throw new Error(`not installed: ${state.because}`)
}

function startInstallation(
  { networks, plugins }: Disk,
  mode: ConfMode,
  pluginFile: string,
  excluded: readonly string[] = [],
): Installation {
  return Installation.start({
    confDirectory: networks,
    binDirectory: plugins,
    pluginFile,
    settings: {
      mode,
      ownName: '02-istio-cni.conflist',
      primaryName: undefined,
      fileMode: 0o600,
      plugin: {
        type: 'istio-cni',
        name: 'istio-cni',
        cni_agent_run_dir: '/run/nobody-is-there',
        exclude_namespaces: excluded,
      },
    },
    clock: systemClock,
    logger: createLogger({
      format: 'plain',
      level: LevelFilter.parse('error'),
      write: () => {},
      clock: { nowMs: () => 0 },
      scope: 'cni',
    }),
    metrics: createMetrics(new Registry(), 'cni'),
  })
}

/** A primary's network, synced, since what others lose is not ours to keep. */
function primary({ networks }: Disk, name: string, type: string): void {
  const plugin = { type, ipam: { type: 'host-local', subnet: '10.1.0.0/24' } }
  const network = { cniVersion: '1.0.0', name: 'net' }
  const text = JSON.stringify(
    name === LIST ? { ...network, plugins: [plugin] } : { ...network, ...plugin },
    undefined,
    2,
  )
  writeSynced(join(networks, name), text, 0o644)
}

export function writeSynced(path: string, content: string | Uint8Array, mode: number): void {
  writeFileSync(path, content)
  chmodSync(path, mode)
  for (const each of [path, join(path, '..')]) {
    const fd = openSync(each, 'r')
    fsyncSync(fd)
    closeSync(fd)
  }
}

/** Directories of a disk whose file system has just been made. */
export function openDisk(root: string, plugins: Pick<Disk, 'plugin' | 'olderPlugin'>): Disk {
  const disk = {
    networks: join(root, 'net.d'),
    plugins: join(root, 'bin'),
    records: join(root, 'run', 'pods'),
    ...plugins,
  }
  for (const path of [disk.networks, disk.plugins, disk.records]) mkdirSync(path, { recursive: true })
  return disk
}

/** Commits the journal, and so all names, but no content: what a file system may do of itself at any moment. */
export function commitNames(root: string): void {
  const path = join(root, 'somebody-else')
  writeSynced(path, 'x', 0o600)
}
