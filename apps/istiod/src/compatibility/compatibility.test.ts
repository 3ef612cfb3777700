import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { objectsFromYaml } from '@ambient/kube'
import { expect, test } from 'vitest'
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
