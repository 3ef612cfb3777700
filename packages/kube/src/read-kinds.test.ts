import { expect, test } from 'vitest'
import { readEndpointSlice } from './read-endpoint-slice.ts'
import { readPod } from './read-pod.ts'
import { readService } from './read-service.ts'
import { kindOf } from './resource-kinds.ts'
import { objectsFromYaml, toYaml } from './yaml-text.ts'

function one(text: string): NonNullable<ReturnType<typeof objectsFromYaml>[number]> {
  const [object] = objectsFromYaml(text)
  return object ?? expect.fail('one object')
}

test('readPod() reads an empty pod with the API’s defaults', () => {
  expect(readPod(one('{apiVersion: v1, kind: Pod, metadata: {name: a}}'))).toEqual({
    nodeName: undefined,
    serviceAccount: 'default',
    hostNetwork: false,
    containers: [],
    phase: 'Pending',
    podIps: [],
    isReady: false,
  })
})

test.each([
  {
    of: 'Pod',
    text: 'spec: {hostNetwork: "yes"}',
    message: 'Cannot read Pod default/a: spec.hostNetwork must be true or false: "yes"',
  },
  { of: 'Pod', text: 'status: {phase: Sleeping}', message: 'status.phase must be one of' },
  {
    of: 'Pod',
    text: 'spec: {containers: [{name: c, ports: [{containerPort: 0}]}]}',
    message: 'containerPort must be a port from 1 to 65535: 0',
  },
])('readPod() refuses $text', ({ text, message }) => {
  expect(() => readPod(one(`apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n${text}`))).toThrow(message)
})

test('readService() fills in target ports and leaves out addresses that are none', () => {
  const service = one(
    '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: None, selector: {}, ports: [{port: 80, targetPort: 0}, {port: 81, targetPort: web}]}}',
  )
  expect(readService(service)).toMatchObject({
    type: 'ClusterIP',
    selector: undefined,
    clusterIps: [],
    ports: [
      { port: 80, targetPort: 80, protocol: 'TCP' },
      { port: 81, targetPort: 'web' },
    ],
  })
})

test('readEndpointSlice() keeps readiness that is not said apart from readiness that is no', () => {
  const slice = one(
    '{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}], ports: [{name: http}]}',
  )
  expect(readEndpointSlice(slice)).toMatchObject({
    serviceName: undefined,
    endpoints: [{ ready: undefined }, { ready: false }],
    ports: [],
  })
})

test('kindOf() takes any version of a kind’s group and no other group', () => {
  expect(kindOf('security.istio.io/v1beta1', 'AuthorizationPolicy')).toBe('AuthorizationPolicy')
  expect(kindOf('serving.knative.dev/v1', 'Service')).toBeUndefined()
  expect(kindOf('v1', 'Deployment')).toBeUndefined()
  expect(kindOf('v1', 'constructor')).toBeUndefined()
})

test('toYaml() writes what objectsFromYaml() reads', () => {
  const object = one('{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {n: "1"}}}')
  expect(objectsFromYaml(toYaml(object))).toEqual([object])
})
