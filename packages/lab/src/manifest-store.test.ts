import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@ambient/lifecycle'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ManifestStore } from './manifest-store.ts'
import { parseObjectName } from './object-name.ts'
import { giveAddresses } from './service-addresses.ts'

let directory: string
let store: ManifestStore

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lab-store-'))
  store = open()
})
afterEach(() => rmSync(directory, { recursive: true }))

const open = (): ManifestStore =>
  new ManifestStore({ directory, nodes: ['node1', 'node2'], families: ['ipv4'], clock: systemClock })
const pod = (name: string, spec = ''): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop}, spec: {containers: []${spec}}}`
interface Stored {
  readonly metadata: { readonly labels?: object; readonly deletionTimestamp?: string }
  readonly spec: Readonly<Record<string, unknown>>
}

const read = (file: string): Stored => parse(readFileSync(join(directory, file), 'utf8')) as Stored
const nodeOf = (name: string): unknown => read(`pod.shop.${name}.yaml`).spec['nodeName']

test('apply() spreads pods over the nodes, leaves a given node alone and keeps the node of a pod', () => {
  store.apply(
    [pod('a'), pod('b'), pod('c'), pod('own', ', nodeName: node2'), pod('host', ', hostNetwork: true')].join(
      '\n---\n',
    ),
  )
  expect(['a', 'b', 'c', 'own'].map(nodeOf)).toEqual(['node1', 'node2', 'node1', 'node2'])
  open().apply(pod('b', ', terminationGracePeriodSeconds: 5'))
  expect(read('pod.shop.b.yaml').spec).toMatchObject({ nodeName: 'node2', terminationGracePeriodSeconds: 5 })
  expect(store.pods()).toEqual(['shop/a', 'shop/b', 'shop/c', 'shop/host', 'shop/own'])
})

test('apply() gives each service an address of its own and keeps it, whichever process applies', () => {
  const service = (name: string, spec: string): string =>
    `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {${spec}}}`
  store.apply([service('a', ''), service('b', ''), service('none', 'clusterIP: None')].join('\n---\n'))
  open().apply([service('a', 'ports: [{port: 80}]'), service('c', '')].join('\n---\n'))
  const address = (name: string): unknown => read(`service.shop.${name}.yaml`).spec['clusterIP']
  expect(['a', 'b', 'c', 'none'].map(address)).toEqual(['10.96.1.1', '10.96.1.2', '10.96.1.3', 'None'])
})

test.each([
  { lab: ['ipv4', 'ipv6'], spec: {}, ips: ['10.96.1.1'] },
  { lab: ['ipv4', 'ipv6'], spec: { ipFamilies: ['IPv6'] }, ips: ['fd00:10:96::100'] },
  {
    lab: ['ipv4', 'ipv6'],
    spec: { ipFamilyPolicy: 'PreferDualStack' },
    ips: ['10.96.1.1', 'fd00:10:96::100'],
  },
  {
    lab: ['ipv4', 'ipv6'],
    spec: { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'], clusterIP: 'fd00:10:96::7' },
    ips: ['fd00:10:96::7', '10.96.1.1'],
  },
  { lab: ['ipv6'], spec: { ipFamilyPolicy: 'PreferDualStack' }, ips: ['fd00:10:96::100'] },
  { lab: ['ipv4'], spec: { clusterIP: 'None' }, ips: ['None'] },
] as const)(
  'giveAddresses() gives a service of $spec in a lab of $lab the addresses $ips',
  ({ lab, spec, ips }) => {
    const given = giveAddresses(spec, { before: [], taken: [], families: lab })
    expect(given).toMatchObject({ clusterIPs: ips })
  },
)

test('giveAddresses() refuses two families where there is one', () => {
  const situation = { before: [], taken: [], families: ['ipv4'] } as const
  expect(() => giveAddresses({ ipFamilyPolicy: 'RequireDualStack' }, situation)).toThrow(
    'requires two IP families',
  )
})

test('label() sets and takes away, terminate() stamps, remove() forgets', () => {
  store.apply(pod('a'))
  const ref = parseObjectName('pod/shop/a')
  store.label(ref, { x: '1', y: '2' })
  store.label(ref, { x: null })
  store.terminate(ref, '2026-01-01T00:00:00Z')
  expect(read('pod.shop.a.yaml').metadata).toMatchObject({
    labels: { y: '2' },
    deletionTimestamp: '2026-01-01T00:00:00Z',
  })
  store.remove(ref)
  store.remove(ref)
  expect(readdirSync(directory)).toEqual([])
  expect(() => store.label(ref, {})).toThrow('There is no Pod shop/a in this lab')
})

test.each([
  {
    name: 'a kind that does nothing in a lab',
    text: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}',
  },
  { name: 'an object without a name', text: '{apiVersion: v1, kind: Pod, metadata: {}}' },
  { name: 'YAML that does not parse', text: 'a: [' },
  { name: 'a document that is no map', text: '- a' },
])('apply() refuses $name and changes nothing', ({ text }) => {
  expect(() => store.apply(`${pod('good')}\n---\n${text}`)).toThrow(
    expect.objectContaining({ code: 'MANIFEST_INVALID' }),
  )
  expect(readdirSync(directory)).toEqual([])
})

test.each([
  { text: 'namespace/shop', ref: { kind: 'Namespace', name: 'shop' } },
  { text: 'Pod/shop/web', ref: { kind: 'Pod', namespace: 'shop', name: 'web' } },
  {
    text: 'authorizationpolicies/shop/deny',
    ref: { kind: 'AuthorizationPolicy', namespace: 'shop', name: 'deny' },
  },
])('parseObjectName() reads $text', ({ text, ref }) => {
  expect(parseObjectName(text)).toEqual(ref)
})

test.each(['pod/web', 'namespace/a/b', 'thing/a', ''])('parseObjectName() refuses "%s"', (text) => {
  expect(() => parseObjectName(text)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }))
})
