import { expect, test } from 'vitest'
import { BatchedProbeSet, type ProbeSet } from './batched-probe-set.ts'
import type { ProbeEntry } from './host-probe.ts'

const at = (ip: string): ProbeEntry => ({ ip, uid: `uid of ${ip}` })

/** Says what it is asked for, and refuses whatever has `bad` in it. */
function slowSet(): { readonly set: ProbeSet; readonly asked: readonly string[] } {
  const asked: string[] = []
  const change =
    (verb: string) =>
    async (entries: readonly ProbeEntry[]): Promise<void> => {
      const ips = entries.map(({ ip }) => ip)
      asked.push(`${verb} ${ips.join(' ')}`)
      await Promise.resolve()
      if (ips.includes('bad')) throw new Error(`cannot ${verb}`)
    }
  const set = { add: change('add'), remove: change('remove'), list: () => Promise.resolve([at('there')]) }
  return { set, asked }
}

test('the first change is made at once, those that come meanwhile together and in order', async () => {
  const { set, asked } = slowSet()
  const batched = new BatchedProbeSet(set)
  await Promise.all([
    batched.add([at('a')]),
    batched.add([at('b'), at('c')]),
    batched.add([]),
    batched.add([at('d')]),
    batched.remove([at('b')]),
    batched.remove([at('e')]),
    batched.add([at('b')]),
  ])
  expect(asked).toEqual(['add a', 'add b c d', 'remove b e', 'add b'])
  await batched.add([at('f')])
  expect(asked.at(-1)).toBe('add f')
  expect(await batched.list()).toEqual([at('there')])
})

test('what the set refuses fails alone', async () => {
  const { set, asked } = slowSet()
  const batched = new BatchedProbeSet(set)
  const results = await Promise.allSettled(['a', 'b', 'bad', 'c'].map((ip) => batched.add([at(ip)])))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  expect(asked).toEqual(['add a', 'add b bad c', 'add b', 'add bad', 'add c'])
})
