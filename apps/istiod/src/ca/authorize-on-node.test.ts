import { objectKey, objectsFromYaml } from '@ambient/kube'
import { parseSpiffeId, spiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import type { Caller } from '../auth/caller.ts'
import { DEFAULT_MESH } from '../translate/mesh-options.ts'
import { meshState } from '../translate/mesh-state.ts'
import { authorizeOnNode } from './authorize-on-node.ts'

const state = meshState(DEFAULT_MESH, ({ cause }) => expect.fail(String(cause)))
const pod = (
  namespace: string,
  name: string,
  account: string,
  rest: { node: string; phase?: string },
): string =>
  `{apiVersion: v1, kind: Pod, metadata: {namespace: ${namespace}, name: ${name}, uid: uid-${name}},
    spec: {serviceAccountName: ${account}${rest.node === '' ? '' : `, nodeName: ${rest.node}`}}, status: {phase: ${rest.phase ?? 'Running'}}}`
const objects = objectsFromYaml(
  [
    pod('istio-system', 'zt-a', 'ztunnel', { node: 'node-a' }),
    pod('istio-system', 'other', 'other', { node: 'node-a' }),
    pod('istio-system', 'zt-new', 'ztunnel', { node: '' }),
    pod('shop', 'web', 'web', { node: 'node-a' }),
    pod('shop', 'db', 'db', { node: 'node-b' }),
    pod('shop', 'starting', 'starting', { node: 'node-a', phase: 'Pending' }),
    pod('shop', 'done', 'done', { node: 'node-a', phase: 'Succeeded' }),
    pod('shop', 'failed', 'failed', { node: 'node-a', phase: 'Failed' }),
    pod('shop', 'unscheduled', 'unscheduled', { node: '' }),
  ].join('\n---\n'),
)
state.graph.transaction(() =>
  objects.forEach((one) => state.inputs.get(one.kind)?.set(objectKey(one.metadata), one)),
)

const ztunnel: Caller = {
  id: spiffeId({ trustDomain: 'cluster.local', namespace: 'istio-system', serviceAccount: 'ztunnel' }),
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  pod: { name: 'zt-a', uid: 'uid-zt-a' },
  node: 'node-a',
}
const ALLOWED = undefined

test.each([
  { name: 'lets a node proxy have an identity of its node', expected: ALLOWED },
  { name: 'counts a pending pod', sa: 'starting', expected: ALLOWED },
  { name: 'counts a succeeded pod', sa: 'done', expected: ALLOWED },
  { name: 'takes a token that does not name the node', caller: { node: undefined }, expected: ALLOWED },
  { name: 'refuses an identity of another node', sa: 'db', expected: 'IDENTITY_NOT_ON_NODE' },
  { name: 'refuses an identity whose pods have all failed', sa: 'failed', expected: 'IDENTITY_NOT_ON_NODE' },
  {
    name: 'refuses an identity whose pod is on no node yet',
    sa: 'unscheduled',
    expected: 'IDENTITY_NOT_ON_NODE',
  },
  { name: 'refuses an identity nobody has', sa: 'nobody', expected: 'IDENTITY_NOT_ON_NODE' },
  { name: 'refuses the same account of another namespace', ns: 'other', expected: 'IDENTITY_NOT_ON_NODE' },
  { name: 'refuses another trust domain', td: 'evil.test', expected: 'IDENTITY_NOT_ON_NODE' },
  {
    name: 'refuses an account that is not trusted',
    caller: { namespace: 'shop', serviceAccount: 'web', pod: { name: 'web', uid: 'uid-web' } },
    expected: 'CALLER_NOT_TRUSTED',
  },
  {
    name: 'refuses the trusted name in another namespace',
    caller: { namespace: 'shop' },
    expected: 'CALLER_NOT_TRUSTED',
  },
  { name: 'refuses everybody when nobody is trusted', trusted: [], expected: 'CALLER_NOT_TRUSTED' },
  {
    name: 'refuses a caller whose pod is gone',
    caller: { pod: { name: 'gone', uid: 'u' } },
    expected: 'CALLER_NOT_FOUND',
  },
  {
    name: 'refuses a token of an earlier pod of that name',
    caller: { pod: { name: 'zt-a', uid: 'an-older-one' } },
    expected: 'CALLER_NOT_FOUND',
  },
  {
    name: 'refuses a pod that does not run with the caller’s account',
    caller: { pod: { name: 'other', uid: 'uid-other' } },
    expected: 'CALLER_NOT_FOUND',
  },
  {
    name: 'refuses a token for another node than its pod’s',
    caller: { node: 'node-b' },
    expected: 'CALLER_NOT_FOUND',
  },
  {
    name: 'refuses a caller that is on no node yet',
    caller: { pod: { name: 'zt-new', uid: 'uid-zt-new' }, node: undefined },
    expected: 'CALLER_NOT_FOUND',
  },
])(
  'authorizeOnNode() $name',
  ({
    sa = 'web',
    ns = 'shop',
    td = 'cluster.local',
    caller = {},
    trusted = ['istio-system/ztunnel'],
    expected,
  }) => {
    const requested = parseSpiffeId(`spiffe://${td}/ns/${ns}/sa/${sa}`)
    const deps = {
      trustedAccounts: trusted,
      trustDomain: 'cluster.local',
      pods: state.pods,
      podsByAccountAndNode: state.podsByAccountAndNode,
    }
    const run = (): void => authorizeOnNode({ ...ztunnel, ...caller }, requested, deps)
    if (expected === undefined) expect(run).not.toThrow()
    else expect(run).toThrow(expect.objectContaining({ code: expected }))
  },
)
