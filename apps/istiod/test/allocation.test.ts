import { FileResources, readAllocatedAddresses } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { expect, test, vi } from 'vitest'
import type { Istiod } from '../src/istiod.ts'
import { type MeshFixture, meshFixture, runIstiod } from './mesh-fixture.ts'

function entries(names: readonly string[]): string {
  return names
    .map(
      (name) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: shop}
spec: {hosts: [${name}.example], resolution: DNS, ports: [{number: 443, name: https, protocol: HTTPS}]}
`,
    )
    .join('---\n')
}

async function start(fixture: MeshFixture): Promise<Istiod> {
  const istiod = await runIstiod(fixture)
  await istiod.serving
  return istiod
}

/** Waits until every entry has one address of each family. */
async function allocated({ directory }: MeshFixture, count: number): Promise<ReadonlyMap<string, string>> {
  await using resources = await FileResources.open({ directory, clock: systemClock, report: () => {} })
  return await vi.waitFor(
    async () => {
      const found = (await resources.list('ServiceEntry')).map(({ metadata: { name } }, n, all) => {
        const object = all[n]
        const addresses = object === undefined ? [] : readAllocatedAddresses(object).map(({ ip }) => ip)
        return [name, addresses.join(' ')] as const
      })
      expect(found.filter(([, text]) => /^240\.240\.0\.\d+ 2001:2::[0-9a-f]+$/.test(text))).toHaveLength(
        count,
      )
      return new Map(found)
    },
    { timeout: 20_000, interval: 10 },
  )
}

async function writes(istiod: Istiod): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${istiod.monitoringPort}/metrics`)).text()
  const [, count = '0'] = /ambient_address_writes_total\{result="written"\} (\d+)/.exec(metrics) ?? []
  return Number(count)
}

test('startIstiod() twice on one directory gives each ServiceEntry its virtual IPs once, and a restart keeps them', async () => {
  using fixture = await meshFixture()
  const names = Array.from({ length: 12 }, (_, n) => `e${n}`)
  fixture.put('entries.yaml', entries(names))
  const before = await (async () => {
    await using first = await start(fixture)
    await using second = await start(fixture)
    const found = await allocated(fixture, 12)
    // The last write is counted just after it can be read.
    await vi.waitFor(async () => expect((await writes(first)) + (await writes(second))).toBe(12))
    return found
  })()
  expect(new Set([...before.values()].flatMap((text) => text.split(' '))).size).toBe(24)

  await using third = await start(fixture)
  fixture.put('more.yaml', entries(['late']))
  const after = await allocated(fixture, 13)
  const { late, ...rest } = Object.fromEntries(after)
  expect(rest).toEqual(Object.fromEntries(before))
  expect([...before.values()]).not.toContain(late)
  await vi.waitFor(async () => expect(await writes(third)).toBe(1))
})
