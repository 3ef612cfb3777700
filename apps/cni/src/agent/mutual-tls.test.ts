import type { ResourceSource, WatchEvent } from '@ambient/kube'
import { readObject } from '@ambient/kube'
import { AsyncQueue } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { MutualTls } from './mutual-tls.ts'

interface Given {
  readonly namespace: string
  readonly name?: string
  readonly age?: number
  readonly spec: object
}

const strict = { mtls: { mode: 'STRICT' } }
const permissive = { mtls: { mode: 'PERMISSIVE' } }
const web = { selector: { matchLabels: { app: 'web' } } }

async function viewOf(
  given: readonly Given[],
): Promise<{ readonly view: MutualTls; readonly problems: readonly string[] }> {
  const events = new AsyncQueue<WatchEvent>(100)
  const source: ResourceSource = { list: () => Promise.resolve([]), watch: () => events }
  const problems: string[] = []
  const view = new MutualTls({
    source,
    rootNamespace: 'istio-system',
    onChange: () => {},
    onProblem: (message) => problems.push(message),
  })
  void view.run(new AbortController().signal)
  given.forEach(({ namespace, name = 'default', age = 0, spec }, at) => {
    const value = {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name, namespace },
      spec,
    }
    const creationTimestamp = `2026-01-0${9 - age}T00:00:00Z`
    const identity = { uid: `u${at}`, creationTimestamp, resourceVersion: '1', generation: 1 }
    events.push({ type: 'added', object: readObject(value, identity) })
  })
  events.push({ type: 'synced' })
  await waitFor('the view to be current', () => view.isSynced)
  events.close()
  return { view, problems }
}

test.each<{ what: string; given: readonly Given[]; isStrict: boolean }>([
  { what: 'nothing says so', given: [], isStrict: false },
  { what: 'the mesh is strict', given: [{ namespace: 'istio-system', spec: strict }], isStrict: true },
  {
    what: 'its namespace is not, in a strict mesh',
    given: [
      { namespace: 'istio-system', spec: strict },
      { namespace: 'shop', spec: permissive },
    ],
    isStrict: false,
  },
  { what: 'another namespace is strict', given: [{ namespace: 'bank', spec: strict }], isStrict: false },
  {
    what: 'it is strict itself',
    given: [{ namespace: 'shop', spec: { ...web, ...strict } }],
    isStrict: true,
  },
  {
    what: 'another workload is strict',
    given: [{ namespace: 'shop', spec: { selector: { matchLabels: { app: 'db' } }, ...strict } }],
    isStrict: false,
  },
  {
    what: 'the port is an exception of a strict workload',
    given: [
      { namespace: 'shop', spec: { ...web, ...strict, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } } },
    ],
    isStrict: false,
  },
  {
    what: 'only the port is strict',
    given: [{ namespace: 'shop', spec: { ...web, portLevelMtls: { 8080: { mode: 'STRICT' } } } }],
    isStrict: true,
  },
  {
    what: 'the older of two says so',
    given: [
      { namespace: 'shop', name: 'new', spec: permissive },
      { namespace: 'shop', name: 'old', age: 5, spec: strict },
    ],
    isStrict: true,
  },
  {
    what: 'it leaves open what the namespace says',
    given: [
      { namespace: 'shop', spec: strict },
      { namespace: 'shop', name: 'web', spec: { ...web, mtls: { mode: 'UNSET' } } },
    ],
    isStrict: true,
  },
])('MutualTls.isStrict() is $isStrict when $what', async ({ given, isStrict }) => {
  const { view } = await viewOf(given)
  expect(view.isStrict({ namespace: 'shop', labels: { app: 'web' } }, 8080)).toBe(isStrict)
})

test('MutualTls takes one that it cannot read for a strict one, and says so', async () => {
  const { view, problems } = await viewOf([
    { namespace: 'shop', spec: { ...web, mtls: { mode: 'SOMETIMES' } } },
  ])
  expect(view.isStrict({ namespace: 'shop', labels: { app: 'web' } }, 8080)).toBe(true)
  expect(problems).toEqual([expect.stringContaining('must be STRICT')])
})
