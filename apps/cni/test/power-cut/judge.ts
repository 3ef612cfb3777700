/** Second boot: what every disk holds after the power cut, and what the runtime makes of it while no agent is there. */
import { readFileSync } from 'node:fs'
import { PLUGIN } from '../run-plugin.ts'
import { type Cut, MANIFEST, PLACE, rootOf, runShell } from './disks.ts'
import { findOut } from './find-out.ts'
import { openDisk, scenarios } from './scenarios.ts'

const MOUNT_DISKS = `
modprobe loop
for n in $(seq 0 $(($1 - 1))); do mount -o loop $n.img $n; done`

const cuts = JSON.parse(readFileSync(MANIFEST, 'utf8')) as readonly Cut[]
runShell(MOUNT_DISKS, cuts.length)
const plugins = { plugin: PLUGIN, olderPlugin: `${PLACE}/older-plugin` }
const found = cuts.map((cut, index) => ({ cut, finding: findOut(openDisk(rootOf(index), plugins)) }))

const lines = scenarios.map(({ name, during, after }) => {
  const own = found.filter(({ cut }) => cut.scenario === name && !cut.isDeaf)
  const wrong = own.flatMap(({ cut, finding }) =>
    (cut.isWhole ? [after] : during).some((each) => each === finding)
      ? []
      : [`\n  after ${cut.after} writes${cut.isJournalled ? ', names committed' : ''}: ${finding}`],
  )
  const count = (of: string): number => own.filter(({ finding }) => finding === of).length
  const counts = `${own.length} power cuts: ${count('holds')} hold pods back, ${count('old')} left the old network`
  return { isGood: own.length > 0 && wrong.length === 0, text: `${name}: ${counts}${wrong.join('')}` }
})
const harmed = found.filter(({ cut, finding }) => cut.isDeaf && finding.startsWith('broken'))
lines.push({
  isGood: harmed.length > 0,
  text: `a disk that does not sync: ${harmed.map(({ finding }) => finding).join('; ') || 'no harm, so nothing above is proved'}`,
})
for (const { isGood, text } of lines) process.stdout.write(`${isGood ? 'ok  ' : 'FAIL'} ${text}\n`)
const passed = lines.filter(({ isGood }) => isGood).length
process.stdout.write(`${passed} passed, ${lines.length - passed} failed\n`)
