import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeRef, refOf } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { checkJson } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { allocateAddresses } from '../src/allocate/allocate-addresses.ts'
import { planStatus, type StatusWrite } from '../src/status/plan-status.ts'
import { DEFAULT_MESH } from '../src/translate/mesh-options.ts'
import { meshState } from '../src/translate/mesh-state.ts'
import { eventually, fedState } from './fed-state.ts'
import { goldenCases, goldenObjects, placeIn } from './golden-objects.ts'

interface Condition {
  readonly enum: readonly string[]
}
interface StatusSchema {
  readonly properties: {
    readonly conditions: { readonly items: { readonly properties: Readonly<Record<string, Condition>> } }
  }
}

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', 'schemas', 'status.json'), 'utf8'),
) as StatusSchema

/** Everything that is written into statuses of a golden case. */
function writesOf(name: string): readonly StatusWrite[] {
  const state = meshState(DEFAULT_MESH, () => {})
  state.graph.transaction(() => {
    for (const object of goldenObjects(name)) {
      const { input, key } = placeIn(state, object)
      input.set(key, object)
    }
  })
  return [...state.status.objects.values()].flatMap((objects) =>
    [...objects.entries()].flatMap(([, object]) =>
      planStatus(
        { object, written: new Map() },
        state.status.byObject.find(describeRef(refOf(object))),
        systemClock.nowMs(),
      ),
    ),
  )
}

/** What is written into the status of a ServiceEntry that wants virtual IPs. */
async function allocated(): Promise<object> {
  const directory = mkdtempSync(join(tmpdir(), 'istiod-schema-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const metadata = { name: 'a', namespace: 'shop' }
  const spec = { hosts: ['a.example'], resolution: 'DNS' }
  const entry = { apiVersion: 'networking.istio.io/v1', kind: 'ServiceEntry', metadata, spec }
  writeFileSync(join(directory, 'a.yaml'), JSON.stringify(entry))
  const written: object[] = []
  await using fed = await fedState(directory, ({ state, resources, ended }) =>
    allocateAddresses(
      {
        claims: state.addressClaims,
        writer: {
          applyStatus: async (ref, status, options) => {
            await resources.applyStatus(ref, status, options)
            written.push(status)
          },
        },
        clock: systemClock,
        ranges: { ipv4: { ip: '240.240.0.0', length: 16 }, ipv6: { ip: '2001:2::', length: 48 } },
        onWrite: () => {},
        onExhausted: () => {},
      },
      ended.signal,
    ),
  )
  await eventually(() => expect(written).toHaveLength(1))
  expect(fed.ended.signal.aborted).toBe(false)
  return written[0] ?? expect.fail('a status')
}

test('what istiod writes into statuses is what the schema says, and shows every field, type and reason of it', async () => {
  const conditions = goldenCases()
    .flatMap(writesOf)
    .flatMap((write) => write.conditions)
  const both = { ...(await allocated()), conditions }
  expect(checkJson(schema, both)).toEqual({ problems: [], unused: [] })
  const { type, status, reason } = schema.properties.conditions.items.properties
  for (const [field, values] of Object.entries({ type, status, reason })) {
    const seen = new Set(conditions.map((condition) => condition[field as 'type' | 'status' | 'reason']))
    expect([field, [...seen].toSorted()]).toEqual([field, [...(values?.enum ?? [])].toSorted()])
  }
})
