/** First boot: every deed is cut off after each of its writes, on a disk of its own; then the power goes for all of them. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PLUGIN } from '../run-plugin.ts'
import { untilPowerCut } from './cut-power.ts'
import { type Cut, cutsOf, MANIFEST, PLACE, POWER_MAY_GO, rootOf, runShell } from './disks.ts'
import { commitNames, openDisk, type Scenario, scenarios, writeSynced } from './scenarios.ts'

/**
 * Names and content apart as far as ext4 can do that, and nothing written by the kernel's own will: what was not synced is
 * lost, and what the journal holds may be there without its content.
 */
const MAKE_DISKS = `
sysctl -q vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000
modprobe loop
truncate -s 4M template && mkfs.ext4 -q -F -b 1024 -m 0 -N 64 -J size=1 -O ^metadata_csum template
for n in $(seq 0 $(($1 - 1))); do
  cp --sparse=always template $n.img && mkdir -p $n
  mount -o loop,data=writeback,noauto_da_alloc,commit=3600 $n.img $n
done`

mkdirSync(PLACE, { recursive: true })
const plugins = { plugin: PLUGIN, olderPlugin: join(PLACE, 'older-plugin') }
writeSynced(plugins.olderPlugin, Buffer.concat([readFileSync(PLUGIN), Buffer.from('older')]), 0o755)
const cuts = await planCuts()
runShell(MAKE_DISKS, cuts.length)
for (const [index, cut] of cuts.entries()) await leave(rootOf(index), cut)
writeSynced(MANIFEST, JSON.stringify(cuts), 0o600)
process.stdout.write(`${cuts.length} disks\n${POWER_MAY_GO}\n`)
setInterval(() => {}, 60_000)

/** Counts the writes of each deed in memory first. */
async function planCuts(): Promise<readonly Cut[]> {
  const counted: (readonly [name: string, writes: number])[] = []
  for (const scenario of scenarios) {
    const root = join('/run', 'power-cut')
    const disk = openDisk(root, plugins)
    await scenario.prepare(disk)
    counted.push([scenario.name, await untilPowerCut({ after: Infinity }, () => scenario.act(disk))])
    rmSync(root, { recursive: true })
  }
  return cutsOf(counted)
}

async function leave(root: string, cut: Cut): Promise<void> {
  const scenario = scenarioOf(cut)
  const disk = openDisk(root, plugins)
  await scenario.prepare(disk)
  const done = await untilPowerCut(cut, () => scenario.act(disk))
  if (done !== cut.after) throw new Error(`${cut.scenario}: ${done} writes instead of ${cut.after}`)
  if (cut.isJournalled) commitNames(root)
}

function scenarioOf(cut: Cut): Scenario {
  const found = scenarios.find(({ name }) => name === cut.scenario)
  if (found === undefined) throw new Error(`no scenario ${cut.scenario}`)
  return found
}
