import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { wholePolicy, wholeService, wholeWorkload } from '@ambient/testkit'
import { decodeDeltaResponse } from '@ambient/xds-proto'
import { expect, test } from 'vitest'
import {
  ADDRESS_TYPE,
  decodeAddress,
  decodeAuthorization,
  describeResource,
  encodeAddressResource,
  encodeAuthorizationResource,
  encodeProxyConfigResource,
  type EncodedResource,
  ResourceTable,
  workloadView,
} from '../src/index.ts'
import { Subscription } from '../src/subscription.ts'

const TESTDATA = join(import.meta.dirname, '..', 'testdata')
const PROTO = join(import.meta.dirname, '..', '..', '..', 'proto')

interface Golden {
  readonly name: string
  readonly version: string
  readonly hex: string
}

/** Compares with what is committed; `UPDATE_GOLDENS=1` writes it. */
function expectGolden(file: string, { name, version, bytes }: EncodedResource): void {
  const path = join(TESTDATA, `${file}.json`)
  const actual: Golden = { name, version, hex: Buffer.from(bytes).toString('hex') }
  if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(path, `${JSON.stringify(actual, undefined, 2)}\n`)
  expect(actual).toEqual(JSON.parse(readFileSync(path, 'utf8')))
}

const addresses = new ResourceTable(ADDRESS_TYPE)
addresses.apply([encodeAddressResource(wholeWorkload), encodeAddressResource(wholeService)], [])
const workload = workloadView(addresses).get('cluster-1//Pod/shop/web-7d4b') ?? expect.fail('a workload')

test.each([
  { file: 'address-workload', resource: encodeAddressResource(wholeWorkload) },
  { file: 'address-service', resource: encodeAddressResource(wholeService) },
  { file: 'workload', resource: workload },
  { file: 'authorization', resource: encodeAuthorizationResource(wholePolicy) },
  { file: 'proxy-config', resource: encodeProxyConfigResource(['first root', 'second root']) },
])(
  'a $file with every field filled has the bytes and the version that are committed',
  ({ file, resource }) => {
    expectGolden(file, resource)
  },
)

test('what has every field filled is read back whole', () => {
  expect(decodeAddress(encodeAddressResource(wholeWorkload).bytes)).toEqual(wholeWorkload)
  expect(decodeAddress(encodeAddressResource(wholeService).bytes)).toEqual(wholeService)
  expect(decodeAuthorization(encodeAuthorizationResource(wholePolicy).bytes)).toEqual(wholePolicy)
})

/** Fields of a message in a `.proto` file, as protobuf's JSON form spells them. */
function fieldsOf(file: string, message: string): readonly string[] {
  const text = readFileSync(join(PROTO, file), 'utf8')
  const start = text.indexOf(`message ${message} {`)
  const body = text.slice(start, text.indexOf('\n}', start))
  return [...body.matchAll(/^ {2,4}(?:optional |repeated )?[\w.]+(?:<[^>]*>)? (\w+) = \d+;/gm)]
    .map(([, name = '']) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()))
    .filter((name) => !/^[A-Z_]+$/.test(name))
}

test.each([
  { message: 'Workload', file: 'workload.proto', shown: describeResource(workload) },
  {
    message: 'Service',
    file: 'workload.proto',
    shown: describeResource(encodeAddressResource(wholeService))['service'] ?? {},
  },
  {
    message: 'Authorization',
    file: 'authorization.proto',
    shown: describeResource(encodeAuthorizationResource(wholePolicy)),
  },
  {
    message: 'ProxyConfig',
    file: 'mesh.proto',
    shown: describeResource(encodeProxyConfigResource(['first root', 'second root'])),
  },
])(
  'every field of $message in the .proto file is filled, but for extensions, which nobody has',
  ({ file, message, shown }) => {
    const fields = fieldsOf(file, message).filter((name) => name !== 'extensions')
    expect(fields).not.toEqual([])
    expect(Object.keys(shown).toSorted()).toEqual(fields.toSorted())
  },
)

test('a response has every field of its schema: resources with aliases, removals, nonce and version', () => {
  const subscription = new Subscription(addresses)
  const request = { node: undefined, typeUrl: ADDRESS_TYPE, unsubscribe: [], nonce: '', error: undefined }
  subscription.begin({ ...request, subscribe: ['network-1/10.96.0.1', 'gone'], initialVersions: {} })
  const { head, body } = subscription.take(0) ?? expect.fail('a response')
  const response = decodeDeltaResponse(Buffer.concat([body.bytes, head]))
  expect(response).toMatchObject({
    typeUrl: ADDRESS_TYPE,
    nonce: '1970-01-01T00:00:00.000Z/1',
    systemVersion: '1970-01-01T00:00:00.000Z',
    removed: ['network-1/10.96.0.1', 'gone'],
    resources: [
      {
        name: 'shop/web.shop.svc.cluster.local',
        typeUrl: ADDRESS_TYPE,
        aliases: ['network-1/10.96.0.1', 'network-1/fd00:10:96::/112'],
      },
      { name: 'cluster-1//Pod/shop/web-7d4b', aliases: [] },
    ],
  })
})
