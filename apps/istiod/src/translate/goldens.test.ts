import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import type { Collection } from '@ambient/collections'
import { describeRef, isRecord, objectsFromYaml, toYaml } from '@ambient/kube'
import { type Address, defineService, defineWorkload } from '@ambient/model'
import { expect, test } from 'vitest'
import { goldenCases, goldenInput, GOLDENS, placeIn } from '../../test/golden-objects.ts'
import type { ObjectConditions } from './conditions.ts'
import { DEFAULT_MESH, type MeshOptions } from './mesh-options.ts'
import { meshState } from './mesh-state.ts'
import type { ObjectWarnings } from './object-warnings.ts'

/** `UPDATE_GOLDENS=1 npm test` rewrites the expected files; read the difference before you commit it. */
const isUpdate = process.env['UPDATE_GOLDENS'] === '1'
const cases = goldenCases()

test.each(cases)('meshState() turns %s.in.yaml into the .out.yaml of that name', (name) => {
  const actual = translate(goldenInput(name))
  const path = join(GOLDENS, `${name}.out.yaml`)
  if (isUpdate) writeFileSync(path, actual)
  expect(actual).toBe(readFileSync(path, 'utf8'))
})

test('the page about the cases names each of them, and no other', () => {
  const page = readFileSync(join(GOLDENS, 'README.md'), 'utf8')
  const named = [...page.matchAll(/\| `([a-z0-9-]+)` \|$/gm)].map(([, name = '']) => name)
  expect([...new Set(named)].toSorted()).toEqual(cases.toSorted())
})

test('testdata holds no expected file without its input', () => {
  const orphans = readdirSync(GOLDENS).filter(
    (name) => name !== 'README.md' && !cases.some((each) => name.startsWith(`${each}.`)),
  )
  expect(orphans).toEqual([])
  expect(cases.length).toBeGreaterThan(10)
})

function translate(input: string): string {
  const faults: string[] = []
  const state = meshState({ ...DEFAULT_MESH, ...givenOptions(input) }, ({ cause }) =>
    faults.push(errorText(cause)),
  )
  state.graph.transaction(() => {
    for (const object of objectsFromYaml(input)) {
      const place = placeIn(state, object)
      place.input.set(place.key, object)
    }
  })
  return toYaml({
    addresses: sorted(state.addresses.entries()).map(withoutDefaults),
    policies: sorted(state.policies.entries()),
    ...(state.status.conditions.size === 0 ? {} : { conditions: toldConditions(state.status.conditions) }),
    ...(state.warnings.size === 0 ? {} : { warnings: toldWarnings(state.warnings) }),
    faults: faults.toSorted(),
  })
}

/** Options that a case needs besides the default ones stand in a comment: `# options: {"dryRunPolicies": true}`. */
function givenOptions(input: string): Partial<MeshOptions> {
  const [, json = '{}'] = /^# options: (.*)$/m.exec(input) ?? []
  return JSON.parse(json) as Partial<MeshOptions>
}

function toldWarnings(warnings: Collection<ObjectWarnings>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    sorted(warnings.entries()).map(({ ref, warnings: all }) => [
      describeRef(ref),
      all.map(({ reason, message }) => `${reason}: ${message}`),
    ]),
  )
}

function toldConditions(
  conditions: Collection<ObjectConditions>,
): Readonly<Record<string, readonly string[]>> {
  const told = sorted(conditions.entries()).map(({ ref, manager, conditions: all }) => [
    `${describeRef(ref)} by ${manager}`,
    all.map(({ type, status, reason, message }) => `${type} ${status} ${reason}: ${message}`),
  ])
  return Object.fromEntries(told) as Readonly<Record<string, readonly string[]>>
}

function sorted<V>(entries: Iterable<[string, V]>): readonly V[] {
  return [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
}

function withoutDefaults(address: Address): unknown {
  const given = address.kind === 'workload' ? address.workload : address.service
  const plain =
    address.kind === 'workload'
      ? defineWorkload({ uid: '', name: '', namespace: '' })
      : defineService({ name: '', namespace: '', hostname: '' })
  const defaults: unknown = plain
  const told = Object.entries(given).filter(
    ([field, value]) => !isRecord(defaults) || JSON.stringify(defaults[field]) !== JSON.stringify(value),
  )
  return { [address.kind]: Object.fromEntries(told.map(([field, value]) => [field, briefly(value)])) }
}

/** A place to send to on one line. */
function briefly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(briefly)
  if (!isRecord(value) || !isRecord(value['destination'])) return value
  const { kind, namespace, hostname, network, ip, destination } = value['destination']
  if (destination !== undefined)
    return `${String(value['weight'])} % to ${String(briefly(value['destination']))}`
  const name =
    kind === 'hostname' ? `${String(namespace)}/${String(hostname)}` : `${String(network)}/${String(ip)}`
  return `${name}:${String(value['hboneMtlsPort'])}`
}
