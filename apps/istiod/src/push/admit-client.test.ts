import { objectKey, objectsFromYaml } from '@ambient/kube'
import { spiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import type { Caller } from '../auth/caller.ts'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { admitClient } from './admit-client.ts'

const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
const pods = objectsFromYaml(`
{apiVersion: v1, kind: Pod, metadata: {namespace: istio-system, name: zt, uid: u}, spec: {nodeName: node-a, serviceAccountName: ztunnel}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: istio-system, name: new, uid: n}, spec: {serviceAccountName: ztunnel}}`)
state.graph.transaction(() => {
  for (const pod of pods) state.inputs.get('Pod')?.set(objectKey(pod.metadata), pod)
})

const ztunnel: Caller = {
  id: spiffeId({ trustDomain: 'cluster.local', namespace: 'istio-system', serviceAccount: 'ztunnel' }),
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  pod: { name: 'zt', uid: 'u' },
  node: undefined,
}
const byCertificate = { pod: undefined }
const ID = 'ztunnel~10.0.0.1~zt.istio-system~istio-system.svc.cluster.local'

test.each<{
  name: string
  caller?: Partial<Caller>
  id?: string
  metadata?: Record<string, string>
  expected: { type?: string; node: string | undefined } | string
}>([
  { name: 'knows the node from the pod of the token', expected: { node: 'node-a' } },
  {
    name: 'takes a client that says the same',
    metadata: { NODE_NAME: 'node-a' },
    expected: { node: 'node-a' },
  },
  {
    name: 'knows it from the token when the pod is not known',
    caller: { pod: { name: 'later', uid: 'x' }, node: 'node-b' },
    expected: { node: 'node-b' },
  },
  {
    name: 'does not know it from an earlier pod of that name',
    caller: { pod: { name: 'zt', uid: 'older' } },
    expected: 'NODE_UNKNOWN',
  },
  {
    name: 'does not know it from a pod that is on none yet',
    caller: { pod: { name: 'new', uid: 'n' } },
    expected: 'NODE_UNKNOWN',
  },
  {
    name: 'refuses a token for another node than its pod’s',
    caller: { node: 'node-b' },
    expected: 'NODE_NOT_CALLERS',
  },
  { name: 'refuses another node', metadata: { NODE_NAME: 'node-b' }, expected: 'NODE_NOT_CALLERS' },
  { name: 'refuses another namespace', metadata: { NAMESPACE: 'shop' }, expected: 'NODE_NOT_CALLERS' },
  {
    name: 'refuses another namespace in the id',
    id: 'ztunnel~10.0.0.1~zt.shop~shop.svc.cluster.local',
    expected: 'NODE_NOT_CALLERS',
  },
  { name: 'refuses another account', metadata: { SERVICE_ACCOUNT: 'web' }, expected: 'NODE_NOT_CALLERS' },
  {
    name: 'takes the same account',
    metadata: { SERVICE_ACCOUNT: 'ztunnel', NAMESPACE: 'istio-system' },
    expected: { node: 'node-a' },
  },
  {
    name: 'takes a certificate on a node where its account runs',
    caller: byCertificate,
    metadata: { NODE_NAME: 'node-a' },
    expected: { node: 'node-a' },
  },
  {
    name: 'does not take one on a node where it does not',
    caller: byCertificate,
    metadata: { NODE_NAME: 'node-b' },
    expected: 'NODE_UNKNOWN',
  },
  { name: 'does not take one that names no node', caller: byCertificate, expected: 'NODE_UNKNOWN' },
  {
    name: 'takes another type of client without a node',
    caller: byCertificate,
    id: 'router~10.0.0.1~gw.istio-system~istio-system.svc.cluster.local',
    expected: { type: 'router', node: undefined },
  },
  { name: 'refuses an id that is none', id: 'ztunnel', expected: 'NODE_ID_INVALID' },
  { name: 'refuses an id with too many parts', id: `${ID}~x`, expected: 'NODE_ID_INVALID' },
])('admitClient() $name', ({ caller = {}, id = ID, metadata = {}, expected }) => {
  const admit = () => admitClient({ ...ztunnel, ...caller }, { id, metadata }, state)
  if (typeof expected === 'string') expect(admit).toThrow(expect.objectContaining({ code: expected }))
  else expect(admit()).toEqual({ type: 'ztunnel', ...expected })
})
