import { describe, expect, test } from 'vitest'
import { buildBaggage, parseBaggage } from './baggage.ts'

const facts = {
  clusterId: 'Kubernetes',
  namespace: 'shop',
  workloadType: 'deployment',
  workloadName: 'web',
  serviceName: 'web',
  serviceVersion: 'v2',
  region: 'eu-1',
  zone: 'eu-1a',
} as const

describe('buildBaggage()', () => {
  test('writes the members in their order, without percent-encoding', () => {
    expect(buildBaggage(facts)).toBe(
      'k8s.cluster.name=Kubernetes,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web,service.version=v2,cloud.region=eu-1,cloud.availability_zone=eu-1a',
    )
  })

  test('leaves empty members out', () => {
    expect(buildBaggage({ namespace: 'shop', region: '', workloadType: 'job', workloadName: 'once' })).toBe(
      'k8s.namespace.name=shop,k8s.job.name=once',
    )
  })

  test('leaves a value out that would read as another member', () => {
    expect(
      buildBaggage({ namespace: 'a,service.name=b', serviceName: 'c=d', region: 'ok', zone: 'a b' }),
    ).toBe('cloud.region=ok')
  })
})

describe('parseBaggage()', () => {
  test('gives back what was built', () => {
    expect(parseBaggage([buildBaggage(facts)])).toEqual(facts)
  })

  test.each([
    {
      name: 'unknown keys are ignored',
      lines: ['x=y,service.name=a,__proto__=z,constructor=q'],
      expected: { serviceName: 'a' },
    },
    {
      name: 'several lines are merged, the later wins',
      lines: ['service.name=a,cloud.region=r', 'service.name=b'],
      expected: { serviceName: 'b', region: 'r' },
    },
    { name: 'a second = cuts the value', lines: ['service.name=a=b'], expected: { serviceName: 'a' } },
    {
      name: 'members without value say nothing',
      lines: ['service.name,service.version=,=x,,'],
      expected: {},
    },
    {
      name: 'spaces around are dropped',
      lines: [' service.name = a , cloud.region=r'],
      expected: { serviceName: 'a', region: 'r' },
    },
    { name: 'no lines say nothing', lines: [], expected: {} },
  ])('$name', ({ lines, expected }) => {
    expect(parseBaggage(lines)).toEqual(expected)
  })

  test('reads 180 members and no more', () => {
    const many = 'x=y,'.repeat(179)
    expect(parseBaggage([`${many}service.name=a`])).toEqual({ serviceName: 'a' })
    expect(parseBaggage([many, 'x=y', 'service.name=a'])).toEqual({})
  })
})
