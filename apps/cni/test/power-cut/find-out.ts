import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PodRecords } from '../../src/agent/pod-records.ts'
import { callsPlugin, type ConfFile, isConfName, readNetwork } from '../../src/install/network-conf.ts'
import { type Disk, type Finding, UID } from './scenarios.ts'

const TRY_AGAIN = 11
const PRIMARIES = ['bridge', 'ptp']

/** Looks at a disk as a container runtime does that has to start a pod. */
export function findOut(disk: Disk): Finding | `broken: ${string}` {
  const files = readFiles(disk.networks)
  const unusable = files.filter((file) => readNetwork(file) === undefined).map(({ name }) => name)
  if (unusable.length > 0) return `broken: nobody can use ${unusable.join(', ')}`
  const [first] = files
  if (first === undefined) return 'broken: no network'
  const types = (readNetwork(first)?.plugins ?? []).map(({ type }) => String(type))
  if (!PRIMARIES.includes(types[0] ?? '')) return `broken: ${first.name} calls ${types.join(', ')}`
  const records = new PodRecords(disk.records).uids()
  if (records.some((uid) => uid !== UID)) return `broken: a record of ${records.join(', ')}`
  if (!callsPlugin(first))
    return types.length === 1 ? 'old' : `broken: ${first.name} calls ${types.join(', ')}`
  if (types.join() !== `${types[0] ?? ''},istio-cni`) return `broken: ${first.name} calls ${types.join(', ')}`
  return askPlugin(disk, first)
}

function readFiles(directory: string): readonly ConfFile[] {
  return readdirSync(directory)
    .filter(isConfName)
    .toSorted()
    .map((name) => ({ name, text: readFileSync(join(directory, name), 'utf8'), mode: 0 }))
}

/** The plugin must be one of both, whole, and with nobody to ask it must ask to try again. */
function askPlugin(disk: Disk, conf: ConfFile): Finding | `broken: ${string}` {
  const path = join(disk.plugins, 'istio-cni')
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return `broken: ${conf.name} calls a plugin that is not there`
  const content = readFileSync(path)
  const isWhole = [disk.plugin, disk.olderPlugin].some((each) => readFileSync(each).equals(content))
  if (!isWhole || (stat.mode & 0o777) !== 0o755)
    return `broken: of the plugin there are ${stat.size} bytes, mode ${(stat.mode & 0o777).toString(8)}`
  const network = readNetwork(conf)
  const { status, stdout } = spawnSync(path, {
    input: JSON.stringify({
      ...network?.plugins.at(-1),
      cniVersion: '1.0.0',
      name: 'net',
      prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.1.0.9/24' }] },
    }),
    env: {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: '/proc/self/ns/net',
      CNI_IFNAME: 'eth0',
      CNI_PATH: disk.plugins,
      CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=${UID}`,
    },
    encoding: 'utf8',
  })
  const isHeldBack = status !== 0 && new RegExp(`"code": ?${TRY_AGAIN}\\b`).test(stdout)
  return isHeldBack ? 'holds' : `broken: the plugin answered ${status ?? 'nothing'}: ${stdout}`
}
