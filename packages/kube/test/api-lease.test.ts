import { systemClock } from '@ambient/lifecycle'
import { expect, test } from 'vitest'
import { ApiResources } from '../src/index.ts'
import { json, ScriptedApi } from './scripted-api.ts'

const OWNER = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  name: 'istiod',
  uid: 'u-role',
  controller: false,
}

test('lease() makes a lease that goes with its owner, and keeps what is said of one that is there', async () => {
  const state: { lease: unknown } = { lease: undefined }
  await using api = await ScriptedApi.open(({ method, body }, response) => {
    if (method === 'GET' && state.lease === undefined) return json(response, 404, { reason: 'NotFound' })
    if (method !== 'GET') state.lease = body
    return json(response, 200, state.lease as object)
  })
  await using resources = new ApiResources({
    access: { origin: api.origin, tls: {}, authorization: () => Promise.resolve(undefined) },
    clock: systemClock,
    random: { float: () => 0.5, bytes: (count: number) => new Uint8Array(count) },
    userAgent: 'ambient-test',
    namespace: 'istio-system',
    owners: () => Promise.resolve([OWNER]),
    report: (message) => expect.fail(message),
  })
  const request = { holder: 'me', durationMs: 30_000 }
  expect(await resources.lease('writer', request)).toMatchObject({ kind: 'held' })
  const metadata = { name: 'writer', namespace: 'istio-system', ownerReferences: [OWNER] }
  expect(state.lease).toMatchObject({ metadata, spec: { holderIdentity: 'me' } })
  const kept = { ...metadata, resourceVersion: '7', labels: { team: 'mesh' } }
  state.lease = { ...(state.lease as object), metadata: kept }
  expect(await resources.lease('writer', request)).toMatchObject({ kind: 'held' })
  expect(state.lease).toMatchObject({ metadata: kept })
})
