import { objectKey, objectsFromYaml } from '@ambient/kube'
import { spiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { AuthError, type Caller } from '../auth/caller.ts'
import type { Credentials } from '../auth/caller-verifier.ts'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { decideCertificate } from './decide-certificate.ts'

const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
const [ztunnelPod, webPod] = objectsFromYaml(`
{apiVersion: v1, kind: Pod, metadata: {namespace: istio-system, name: zt, uid: u}, spec: {nodeName: n, serviceAccountName: ztunnel}}
---
{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {nodeName: n, serviceAccountName: web}}`)
state.graph.transaction(() => {
  for (const pod of [ztunnelPod, webPod])
    if (pod !== undefined) state.inputs.get('Pod')?.set(objectKey(pod.metadata), pod)
})
const caller: Caller = {
  id: spiffeId({ trustDomain: 'cluster.local', namespace: 'istio-system', serviceAccount: 'ztunnel' }),
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  pod: { name: 'zt', uid: 'u' },
  node: 'n',
}

function verify({ authorization }: Credentials): Promise<Caller> {
  return authorization === 'Bearer good'
    ? Promise.resolve(caller)
    : Promise.reject(new AuthError('TOKEN_INVALID', 'bad token'))
}

function decide(impersonated: string | undefined, header = 'Bearer good'): Promise<unknown> {
  return decideCertificate(
    { metadata: new Map([['authorization', header]]), peer: '10.0.0.1:5', certificate: undefined },
    impersonated,
    {
      verifier: { verify },
      nodes: {
        trustedAccounts: ['istio-system/ztunnel'],
        trustDomain: 'cluster.local',
        pods: state.pods,
        podsByAccountAndNode: state.podsByAccountAndNode,
      },
    },
  )
}

test.each([
  { name: 'issues the caller’s own identity', impersonated: undefined, id: caller.id },
  { name: 'takes an empty impersonation as none', impersonated: '', id: caller.id },
  {
    name: 'issues an identity of the caller’s node',
    impersonated: 'spiffe://cluster.local/ns/shop/sa/web',
    id: 'spiffe://cluster.local/ns/shop/sa/web',
  },
])('decideCertificate() $name', async ({ impersonated, id }) => {
  await expect(decide(impersonated)).resolves.toEqual({ kind: 'issue', id })
})

test.each([
  {
    name: 'an identity that is nowhere on the node',
    impersonated: 'spiffe://cluster.local/ns/shop/sa/db',
    reason: 'IDENTITY_NOT_ON_NODE',
  },
  {
    name: 'an identity that is none',
    impersonated: 'spiffe://cluster.local/ns/shop/sa/web/more',
    reason: 'IDENTITY_INVALID',
  },
  { name: 'a token that is refused', impersonated: undefined, header: 'Bearer bad', reason: 'TOKEN_INVALID' },
])('decideCertificate() refuses $name, and says why', async ({ impersonated, header, reason }) => {
  await expect(decide(impersonated, header)).resolves.toMatchObject({
    kind: 'refuse',
    code: reason,
  })
})
