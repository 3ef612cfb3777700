import { decodeDeltaResponse, type DeltaRequest, type DeltaResponse } from '@ambient/xds-proto'
import { expect, test } from 'vitest'
import { ADDRESS_TYPE, ResourceTable } from './index.ts'
import { encodedResource, type ResourceKeys } from './encoded-resource.ts'
import { Subscription } from './subscription.ts'

const resource = (name: string, content: string, keys?: ResourceKeys) =>
  encodedResource(
    { name, typeUrl: ADDRESS_TYPE, ...(keys === undefined ? {} : { keys }) },
    Buffer.from(content),
    content,
  )
const request = (part: Partial<DeltaRequest> = {}): DeltaRequest => ({
  node: undefined,
  typeUrl: ADDRESS_TYPE,
  subscribe: [],
  unsubscribe: [],
  initialVersions: {},
  nonce: '',
  error: undefined,
  ...part,
})

function setup() {
  const table = new ResourceTable(ADDRESS_TYPE)
  const subscription = new Subscription(table)
  table.onChange((names) => subscription.changed(names))
  table.apply([resource('a', 'a1'), resource('b', 'b1')], [])
  const take = (): DeltaResponse | undefined => {
    const response = subscription.take(0)
    return response && decodeDeltaResponse(Buffer.concat([response.body.bytes, response.head]))
  }
  return { table, subscription, take }
}

const names = (response: DeltaResponse | undefined) =>
  response && { upserts: response.resources.map(({ name }) => name), removed: response.removed }

test.each([{ subscribe: [] }, { subscribe: ['*'] }])(
  'begin() with names $subscribe is owed everything',
  ({ subscribe }) => {
    const { subscription, take } = setup()
    expect(subscription.begin(request({ subscribe }))).toBe('subscribed')
    expect(names(take())).toEqual({ upserts: ['a', 'b'], removed: [] })
    expect(take()).toBeUndefined()
  },
)

test('begin() owes everything as it is when it is taken', () => {
  const { table, subscription, take } = setup()
  subscription.begin(request())
  expect(subscription.due).toBe(2)
  table.apply([resource('b', 'b2'), resource('c', 'c1')], ['a'])
  const response = take()
  expect(response?.resources.map(({ name, version }) => [name, version])).toEqual([
    ['b', 'b2'],
    ['c', 'c1'],
  ])
  expect(response?.removed).toEqual(['a'])
  expect(take()).toBeUndefined()
})

test('continue() without the wildcard any more owes nothing that nobody named', () => {
  const { subscription, take } = setup()
  subscription.begin(request())
  subscription.continue(request({ unsubscribe: ['*'] }))
  expect(names(take())).toEqual({ upserts: [], removed: [] })
})

test('begin() with what the client holds leaves out what is current and removes what is gone', () => {
  const { subscription, take } = setup()
  subscription.begin(request({ initialVersions: { a: 'a1', b: 'old', gone: 'x' } }))
  expect(names(take())).toEqual({ upserts: ['b'], removed: ['gone'] })
})

test('begin() with some of what there is brings the rest', () => {
  const { subscription, take } = setup()
  subscription.begin(request({ initialVersions: { a: 'a1', gone: 'x' } }))
  expect(names(take())).toEqual({ upserts: ['b'], removed: ['gone'] })
})

test('begin() is answered when there is nothing to send', () => {
  const { subscription, take } = setup()
  subscription.begin(request({ initialVersions: { a: 'a1', b: 'b1' } }))
  expect(names(take())).toEqual({ upserts: [], removed: [] })
  expect(take()).toBeUndefined()
})

test('continue() with the last nonce is an ack, which is not answered', () => {
  const { subscription, take } = setup()
  subscription.begin(request())
  const nonce = take()?.nonce ?? ''
  expect(subscription.continue(request({ nonce }))).toBe('ack')
  expect(subscription.describe()).toMatchObject({ sent: nonce, acked: nonce, lastError: undefined })
  expect(take()).toBeUndefined()
})

test('continue() with an older nonce is stale and says nothing of the newer response', () => {
  const { table, subscription, take } = setup()
  subscription.begin(request())
  const older = take()?.nonce ?? ''
  table.apply([resource('a', 'a2')], [])
  const newer = take()?.nonce
  expect(newer).not.toBe(older)
  expect(subscription.continue(request({ nonce: older }))).toBe('stale')
  expect(subscription.describe()).toMatchObject({ sent: newer, acked: '', lastError: undefined })
})

test('continue() with an error changes nothing, not even the names it brings', () => {
  const { table, subscription, take } = setup()
  subscription.begin(request({ subscribe: ['a'] }))
  const nonce = take()?.nonce ?? ''
  expect(
    subscription.continue(
      request({ nonce, subscribe: ['b'], unsubscribe: ['a'], error: { code: 3, message: 'bad' } }),
    ),
  ).toBe('nack')
  expect(take()).toBeUndefined()
  expect(subscription.describe()).toMatchObject({ sent: nonce, acked: '', lastError: 'bad' })
  table.apply([resource('a', 'a2'), resource('b', 'b2')], [])
  expect(names(take())).toEqual({ upserts: ['a'], removed: [] })
})

test('continue() with a name is always answered, again and of what does not exist', () => {
  const { subscription, take } = setup()
  subscription.begin(request({ subscribe: ['a'] }))
  expect(names(take())).toEqual({ upserts: ['a'], removed: [] })
  expect(subscription.continue(request({ subscribe: ['a'] }))).toBe('changed')
  expect(names(take())).toEqual({ upserts: ['a'], removed: [] })
  subscription.continue(request({ subscribe: ['nobody'] }))
  expect(names(take())).toEqual({ upserts: [], removed: ['nobody'] })
})

test('changed() makes one change due, and of named clients only what they named', () => {
  const { table, subscription, take } = setup()
  subscription.begin(request({ subscribe: ['a'] }))
  take()
  table.apply([resource('b', 'b2')], [])
  expect(take()).toBeUndefined()
  table.apply([resource('a', 'a2')], [])
  expect(names(take())).toEqual({ upserts: ['a'], removed: [] })
  table.apply([], ['a'])
  expect(names(take())).toEqual({ upserts: [], removed: ['a'] })
})

test('take() of upserts leaves removals for later', () => {
  const { table, subscription, take } = setup()
  subscription.begin(request())
  take()
  table.apply([], ['a'])
  expect(subscription.take(0, 'upserts')).toBeUndefined()
  expect(names(take())).toEqual({ upserts: [], removed: ['a'] })
})
