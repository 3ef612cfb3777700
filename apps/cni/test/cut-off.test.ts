import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { untilPowerCut } from './power-cut/cut-power.ts'
import { cutsOf } from './power-cut/disks.ts'
import { findOut } from './power-cut/find-out.ts'
import { type Disk, openDisk, scenarios, writeSynced } from './power-cut/scenarios.ts'
import { buildPlugin, PLUGIN } from './run-plugin.ts'

let scratch: string
let plugins: Pick<Disk, 'plugin' | 'olderPlugin'>
let disks = 0

beforeAll(() => {
  buildPlugin()
  scratch = mkdtempSync(join(tmpdir(), 'cni-cut-off-'))
  plugins = { plugin: PLUGIN, olderPlugin: join(scratch, 'older') }
  writeSynced(plugins.olderPlugin, Buffer.concat([readFileSync(PLUGIN), Buffer.from('older')]), 0o755)
})
afterAll(() => rmSync(scratch, { recursive: true }))

/** What `npm run power-cut` does on a disk that loses what was not synced, here for an agent that is killed. */
test.each(scenarios)(
  '$name: an agent that ends after any of its writes leaves pods held back, or the old network where it may',
  async ({ prepare, act, during, after }) => {
    const cutAfter = async (writes: number): Promise<{ done: number; finding: string }> => {
      const disk = openDisk(join(scratch, String(++disks)), plugins)
      await prepare(disk)
      return { done: await untilPowerCut({ after: writes }, () => act(disk)), finding: findOut(disk) }
    }
    const whole = await cutAfter(Infinity)
    expect(whole.finding).toBe(after)
    expect(whole.done).toBeGreaterThan(3)
    for (let writes = 0; writes < whole.done; writes++) {
      const { done, finding } = await cutAfter(writes)
      expect(done).toBe(writes)
      expect(during).toContain(finding)
    }
  },
  60_000,
)

test('findOut() names what is broken: a network that ends early, a plugin that does, and one that is not there', async () => {
  const [scenario] = scenarios
  const disk = openDisk(join(scratch, 'broken'), plugins)
  await scenario?.prepare(disk)
  await scenario?.act(disk)
  const [conf, plugin] = [join(disk.networks, '02-istio-cni.conflist'), join(disk.plugins, 'istio-cni')]
  expect(findOut(disk)).toBe('holds')
  writeSynced(plugin, readFileSync(PLUGIN).subarray(0, 5000), 0o755)
  expect(findOut(disk)).toBe('broken: of the plugin there are 5000 bytes, mode 755')
  rmSync(plugin)
  expect(findOut(disk)).toBe('broken: 02-istio-cni.conflist calls a plugin that is not there')
  writeSynced(conf, readFileSync(conf).subarray(0, 20), 0o600)
  expect(findOut(disk)).toBe('broken: nobody can use 02-istio-cni.conflist')
})

test('cutsOf() cuts after every write, both ways, and adds the disk that does not listen', () => {
  const cuts = cutsOf([
    ['first', 1],
    ['second', 0],
  ])
  const short = cuts.map(
    (cut) =>
      `${cut.scenario} ${cut.after}${cut.isWhole ? ' whole' : ''}${cut.isJournalled ? ' journalled' : ''}${cut.isDeaf ? ' deaf' : ''}`,
  )
  expect(short).toEqual([
    'first 0',
    'first 1 whole',
    'first 0 journalled',
    'first 1 whole journalled',
    'second 0 whole',
    'second 0 whole journalled',
    'first 1 whole deaf',
    'first 1 whole journalled deaf',
  ])
})
