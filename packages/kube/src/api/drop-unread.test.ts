import { expect, test } from 'vitest'
import { dropUnread } from './drop-unread.ts'

const pod = {
  metadata: {
    name: 'web',
    managedFields: [{ manager: 'kubelet' }],
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'istio.io/x': 'y' },
  },
  spec: {
    nodeName: 'a',
    volumes: [{ name: 'v' }],
    containers: [{ name: 'app', ports: [{ containerPort: 1 }], env: [{ name: 'A' }], command: ['x'] }],
    initContainers: [{ name: 'proxy', restartPolicy: 'Always', resources: {} }],
  },
  status: { podIP: '10.0.0.1', conditions: [], containerStatuses: [{ name: 'app' }] },
}

test('dropUnread() keeps of a pod what somebody reads, and leaves the pod as it is', () => {
  const before = structuredClone(pod)
  expect(dropUnread('Pod', pod)).toEqual({
    metadata: { name: 'web', annotations: { 'istio.io/x': 'y' } },
    spec: {
      nodeName: 'a',
      containers: [{ name: 'app', ports: [{ containerPort: 1 }] }],
      initContainers: [{ name: 'proxy', restartPolicy: 'Always' }],
    },
    status: { podIP: '10.0.0.1', conditions: [] },
  })
  expect(pod).toEqual(before)
})

test('dropUnread() takes nothing from other kinds but who changed which field, and the copy that kubectl makes', () => {
  expect(dropUnread('Service', pod)).toEqual({
    ...pod,
    metadata: { name: 'web', annotations: { 'istio.io/x': 'y' } },
  })
})

test('dropUnread() leaves what is malformed for the reader to refuse', () => {
  expect(dropUnread('Pod', { metadata: 1, spec: [], status: null })).toEqual({
    metadata: {},
    spec: [],
    status: null,
  })
  expect(dropUnread('Pod', { spec: { containers: [1, 'x'] } })).toEqual({
    metadata: {},
    spec: { containers: [1, 'x'] },
  })
})
