import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { objectKey, objectsFromYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshConfigDump } from '../debug/mesh-config-dump.ts'
import { meshState } from '../translate/mesh-state.ts'
import { compatibilityTables } from './all-tables.ts'
import { defineCompatibility, golden, ignored } from './compatibility.ts'
import { fieldsWithoutEffect } from './fields-without-effect.ts'

test('compatibilityTables has the tables of every file, each kind and title once', async () => {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('-compatibility.ts'))
  const found: unknown[] = []
  for (const file of files) {
    const exported = (await import(pathToFileURL(join(import.meta.dirname, file)).href)) as Record<
      string,
      unknown[]
    >
    found.push(...Object.values(exported).flat())
  }
  expect(new Set(found)).toEqual(new Set(compatibilityTables))
  expect(new Set(compatibilityTables.map(({ title }) => title)).size).toBe(compatibilityTables.length)
})

const TABLE = defineCompatibility({
  kind: 'ServiceEntry',
  isWhole: true,
  fields: {
    'spec.hosts': golden('any'),
    'spec.ports[].name': golden('any'),
    'spec.mode': ignored('nobody does it', ['NONE', 0]),
    'spec.ports[].hint': ignored('nobody looks'),
  },
  labels: { colour: ignored('no colours') },
  annotations: { shape: ignored('no shapes') },
})

test.each<{ name: string; text: string; expected: readonly string[] }>([
  { name: 'nothing of what is supported', text: 'spec: {hosts: [a], ports: [{name: a}]}', expected: [] },
  { name: 'what is ignored', text: 'spec: {mode: FAST}', expected: ['spec.mode'] },
  { name: 'nothing of a harmless value, or none', text: 'spec: {mode: NONE, ports: null}', expected: [] },
  {
    name: 'a place once, however often it comes',
    text: 'spec: {ports: [{hint: a}, {hint: b}]}',
    expected: ['spec.ports[].hint'],
  },
  {
    name: 'what is in no row, at the place where it begins',
    text: 'spec: {ports: [{name: a, new: {deep: 1}}], other: [1]}',
    expected: ['spec.ports[].new', 'spec.other'],
  },
  {
    name: 'labels and annotations',
    text: 'metadata: {name: a, labels: {colour: red, other: x}, annotations: {shape: round}}',
    expected: ['label colour', 'annotation shape'],
  },
  { name: 'a list where a map is expected', text: 'spec: [1]', expected: ['spec[]'] },
])('fieldsWithoutEffect() names $name', ({ text, expected }) => {
  const metadata = text.startsWith('metadata') ? '' : 'metadata: {name: a}\n'
  const [object] = objectsFromYaml(
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n${metadata}${text}`,
  )
  if (object === undefined) throw new Error('one object')
  expect(fieldsWithoutEffect(object, TABLE).map(({ place }) => place)).toEqual(expected)
})

test('fieldsWithoutEffect() leaves what it does not know of Kubernetes’ own kinds alone', () => {
  const [object] = objectsFromYaml(
    '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {newThing: 1}}',
  )
  if (object === undefined) throw new Error('one object')
  expect(fieldsWithoutEffect(object, { ...TABLE, isWhole: false })).toEqual([])
})

const API_VERSIONS: Readonly<Record<string, string>> = {
  Service: 'v1',
  ServiceEntry: 'networking.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
}

/** An object of which nothing is set but this place. */
function objectWith(kind: string, place: string): object {
  const [, sort = '', name = ''] = /^(label|annotation) (.*)$/.exec(place) ?? []
  const metadata = { name: 'a', namespace: 'shop', ...(sort === '' ? {} : { [`${sort}s`]: { [name]: 'x' } }) }
  return { apiVersion: API_VERSIONS[kind], kind, metadata, ...(sort === '' ? nested(place) : {}) }
}

function nested(place: string): object {
  const parts = place.split('.')
  return parts.reduceRight<unknown>(
    (value, part) => (part.endsWith('[]') ? { [part.slice(0, -2)]: [value] } : { [part]: value }),
    'x',
  ) as object
}

const ignoredPlaces = compatibilityTables.flatMap(({ kind, fields, labels, annotations }) => {
  const placesOf = (rows: typeof fields, prefix: string): readonly string[] =>
    Object.entries(rows).flatMap(([place, { status }]) => (status === 'ignored' ? [`${prefix}${place}`] : []))
  const places = [
    ...placesOf(fields, ''),
    ...placesOf(labels, 'label '),
    ...placesOf(annotations, 'annotation '),
  ]
  return places.map((place) => ({ kind, place }))
})

// The mesh config is a ConfigMap, which has no status: its warnings are below.
test.each(ignoredPlaces.filter(({ kind }) => kind !== 'ConfigMap'))(
  'a $kind that sets $place, which is ignored, is told so in its status',
  ({ kind, place }) => {
    const state = meshState(DEFAULT_MESH, () => {})
    const [object] = objectsFromYaml(JSON.stringify(objectWith(kind, place)))
    if (object === undefined) throw new Error('one object')
    state.graph.transaction(() => state.inputs.get(object.kind)?.set(objectKey(object.metadata), object))
    const told = [...state.status.conditions.entries()].flatMap(([, { conditions }]) =>
      conditions.map(({ message }) => message),
    )
    expect(told.join()).toContain(kind === 'RequestAuthentication' ? 'selector' : `${place} has no effect`)
  },
)

test.each(ignoredPlaces.filter(({ kind }) => kind === 'ConfigMap'))(
  'a mesh config that sets $place, which is ignored, is told so in /debug/mesh',
  ({ place }) => {
    const state = meshState(DEFAULT_MESH, () => {})
    const mesh = JSON.stringify(nested(place))
    const [object] = objectsFromYaml(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'istio', namespace: 'istio-system' },
        data: { mesh },
      }),
    )
    if (object === undefined) throw new Error('one object')
    state.graph.transaction(() => state.inputs.get('ConfigMap')?.set(objectKey(object.metadata), object))
    const names = { systemNamespace: 'istio-system', trustDomain: 'a', rootNamespace: 'b' }
    const dump = meshConfigDump({ state, ...names })
    expect(JSON.stringify(dump)).toContain(`data.mesh: ${place} has no effect`)
  },
)

test('there are ignored places of every kind of object that configures the mesh and has some', () => {
  expect(new Set(ignoredPlaces.map(({ kind }) => kind))).toEqual(
    new Set([...Object.keys(API_VERSIONS), 'ConfigMap']),
  )
})
