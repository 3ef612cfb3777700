import { expect, test } from 'vitest'
import { type KubeObject, readObject } from '../kube-object.ts'
import { readEndpointSlice } from '../read-endpoint-slice.ts'
import { readPod } from '../read-pod.ts'
import { apiVersionOf } from '../resource-kinds.ts'
import { dropUnread } from './drop-unread.ts'

const pod = {
  metadata: {
    name: 'web',
    uid: 'u',
    creationTimestamp: 'c',
    resourceVersion: '1',
    managedFields: [{ manager: 'kubelet' }],
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', 'istio.io/x': 'y' },
  },
  spec: {
    nodeName: 'a',
    serviceAccountName: 'web',
    serviceAccount: 'web',
    hostNetwork: true,
    schedulerName: 'default',
    volumes: [{ name: 'v' }],
    containers: [
      {
        name: 'app',
        image: 'i',
        ports: [{ name: 'http', containerPort: 1, protocol: 'TCP', hostPort: 2 }],
        env: [{ name: 'A' }],
      },
    ],
    initContainers: [{ name: 'proxy', restartPolicy: 'Always', resources: {} }],
  },
  status: {
    phase: 'Running',
    podIP: '10.0.0.1',
    podIPs: [{ ip: '10.0.0.1' }],
    hostIP: '192.168.0.1',
    conditions: [
      { type: 'Initialized', status: 'True' },
      { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ],
    containerStatuses: [{ name: 'app' }],
  },
}

/** As the API server has it of one, and of a list; both readers read from either the same. */
function readBoth<T>(
  kind: 'Pod' | 'EndpointSlice',
  item: object,
  read: (object: KubeObject) => T,
): readonly T[] {
  const given = { apiVersion: apiVersionOf(kind), kind, ...item }
  return [given, dropUnread(kind, given)].map((each) => read(readObject(each)))
}

test('dropUnread() keeps of a pod what somebody reads, and leaves the pod as it is', () => {
  const before = structuredClone(pod)
  expect(dropUnread('Pod', pod)).toEqual({
    metadata: {
      name: 'web',
      uid: 'u',
      creationTimestamp: 'c',
      resourceVersion: '1',
      annotations: { 'istio.io/x': 'y' },
    },
    spec: {
      nodeName: 'a',
      serviceAccountName: 'web',
      serviceAccount: 'web',
      hostNetwork: true,
      containers: [{ name: 'app', ports: [{ name: 'http', containerPort: 1, protocol: 'TCP' }] }],
      initContainers: [{ name: 'proxy', restartPolicy: 'Always' }],
    },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  })
  expect(pod).toEqual(before)
})

test('dropUnread() keeps everything of a pod that readPod() reads', () => {
  const [before, after] = readBoth('Pod', pod, readPod)
  expect(after).toEqual(before)
  expect(Object.values(after ?? {})).not.toContain(undefined)
})

test('dropUnread() keeps everything of a slice that readEndpointSlice() reads', () => {
  const endpoint = {
    addresses: ['10.0.0.1'],
    conditions: { ready: false, serving: true, terminating: false },
    targetRef: { kind: 'Pod', namespace: 'shop', name: 'web', uid: 'u', resourceVersion: '1' },
    nodeName: 'a',
    zone: 'b',
    hints: { forZones: [{ name: 'b' }] },
  }
  const slice = {
    metadata: { ...pod.metadata, labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [endpoint],
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
  }
  const [before, after] = readBoth('EndpointSlice', slice, readEndpointSlice)
  expect(after).toEqual(before)
  expect(after?.endpoints[0]?.targetRef?.uid).toBe('u')
  expect(JSON.stringify(dropUnread('EndpointSlice', slice))).not.toContain('forZones')
})

test('dropUnread() takes nothing from other kinds but who changed which field, and the copy that kubectl makes', () => {
  expect(dropUnread('Service', pod)).toEqual({
    ...pod,
    metadata: {
      name: 'web',
      uid: 'u',
      creationTimestamp: 'c',
      resourceVersion: '1',
      annotations: { 'istio.io/x': 'y' },
    },
  })
})

test('dropUnread() leaves what is malformed for the reader to refuse', () => {
  expect(dropUnread('Pod', { metadata: 1, spec: [], status: null })).toEqual({
    metadata: {},
    spec: [],
    status: null,
  })
  expect(dropUnread('Pod', { spec: { containers: [1, 'x'] }, status: { conditions: ['x'] } })).toEqual({
    metadata: {},
    spec: { containers: [1, 'x'] },
    status: { conditions: ['x'] },
  })
})
