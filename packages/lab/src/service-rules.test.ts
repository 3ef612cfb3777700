import { readObject } from '@ambient/kube'
import type { KubeObject } from '@ambient/kube'
import { expect, test } from 'vitest'
import { dnsHosts } from './cluster-dns.ts'
import { serviceEndpoints } from './service-endpoints.ts'
import { serviceRules } from './service-rules.ts'

const identity = { uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1', generation: 1 }
const object = (value: object): KubeObject => readObject({ apiVersion: 'v1', ...value }, identity)

function pod(
  name: string,
  ip: string,
  change: { ready?: boolean; labels?: object; namespace?: string; more?: string } = {},
): KubeObject {
  const { ready = true, labels = { app: 'web' }, namespace = 'shop' } = change
  return object({
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { containers: [{ name: 'c', ports: [{ name: 'http', containerPort: 8081 }] }] },
    status: {
      podIP: ip,
      podIPs: [ip, ...(change.more === undefined ? [] : [change.more])].map((each) => ({ ip: each })),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  })
}

function service(spec: object, name = 'web'): KubeObject {
  return object({
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: 'web' }, ...spec },
  })
}

const web = service({ clusterIP: '10.96.1.1', ports: [{ port: 80, targetPort: 'http' }] })
const headless = service({ clusterIP: 'None', ports: [{ port: 80 }] }, 'each')

test('serviceRules() spreads evenly over the ready pods of a service and lets a pod reach itself', () => {
  const pods = [pod('b', '10.244.2.2'), pod('a', '10.244.1.2'), pod('sick', '10.244.1.3', { ready: false })]
  const rules = serviceRules(serviceEndpoints([web], pods), 'ipv4')
  expect(rules.split('\n').filter((line) => line.startsWith('-A'))).toEqual([
    '-A LAB-SERVICES -d 10.96.1.1 -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.5000000000 -j DNAT --to-destination 10.244.1.2:8081',
    '-A LAB-SERVICES -d 10.96.1.1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.2.2:8081',
    '-A LAB-HAIRPIN -s 10.244.1.2/32 -d 10.244.1.2/32 -j MASQUERADE',
    '-A LAB-HAIRPIN -s 10.244.2.2/32 -d 10.244.2.2/32 -j MASQUERADE',
  ])
})

test.each([
  { name: 'there is none', pods: [] },
  { name: 'none is ready', pods: [pod('a', '10.244.1.2', { ready: false })] },
  { name: 'labels do not match', pods: [pod('a', '10.244.1.2', { labels: { app: 'other' } })] },
  { name: 'they are in another namespace', pods: [pod('a', '10.244.1.2', { namespace: 'other' })] },
])('serviceRules() refuses connections to a service when of its pods $name', ({ pods }) => {
  const rules = serviceRules(serviceEndpoints([web], pods), 'ipv4')
  expect(rules.split('\n').filter((line) => line.startsWith('-A'))).toEqual([
    '-A LAB-SERVICES -d 10.96.1.1 -p tcp -m tcp --dport 80 -j REJECT',
  ])
})

test('serviceRules() of a family know its addresses only', () => {
  const both = service({
    clusterIP: '10.96.1.1',
    clusterIPs: ['10.96.1.1', 'fd00:10:96::100'],
    ports: [{ port: 80, targetPort: 'http' }],
  })
  const pods = [pod('a', '10.244.1.2', { more: 'fd00:10:244:1::2' }), pod('b', '10.244.2.2')]
  const lines = (family: 'ipv4' | 'ipv6'): readonly string[] =>
    serviceRules(serviceEndpoints([both], pods), family)
      .split('\n')
      .filter((line) => line.startsWith('-A'))
  expect(lines('ipv6')).toEqual([
    '-A LAB-SERVICES -d fd00:10:96::100 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00:10:244:1::2]:8081',
    '-A LAB-HAIRPIN -s fd00:10:244:1::2/128 -d fd00:10:244:1::2/128 -j MASQUERADE',
  ])
  expect(lines('ipv4').filter((line) => line.includes('fd00'))).toEqual([])
  expect(lines('ipv4')).toHaveLength(4)
})

test('dnsHosts() answers with the service address, and with every ready pod for a headless service', () => {
  const pods = [pod('a', '10.244.1.2'), pod('b', '10.244.2.2'), pod('c', '10.244.2.3', { ready: false })]
  expect(dnsHosts(serviceEndpoints([web, headless], pods))).toBe(
    [
      '10.244.1.2 each.shop.svc.cluster.local',
      '10.244.2.2 each.shop.svc.cluster.local',
      '10.96.1.1 web.shop.svc.cluster.local',
      '',
    ].join('\n'),
  )
})
