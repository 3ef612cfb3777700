import { type KubeObject, objectsFromYaml, refOf } from '@ambient/kube'
import { expect, test } from 'vitest'
import type { Condition, ObjectConditions } from '../translate/conditions.ts'
import { planStatus, type WrittenCondition } from './plan-status.ts'

const MANAGER = 'istio-ambient-ztunnel-policy'
const NOW = Date.parse('2026-05-01T10:00:00.700Z')
const accepted: Condition = {
  type: 'ZtunnelAccepted',
  status: 'True',
  reason: 'Accepted',
  message: 'attached',
}
const written: WrittenCondition = {
  ...accepted,
  observedGeneration: 1,
  lastTransitionTime: '2026-01-01T00:00:00Z',
}

function policy(status: unknown = {}): KubeObject {
  const [object] = objectsFromYaml(
    JSON.stringify({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'a', namespace: 'shop' },
      status,
    }),
  )
  return object ?? expect.fail('one object')
}

function says(conditions: readonly Condition[], generation = 1): readonly ObjectConditions[] {
  return [{ ref: refOf(policy()), manager: MANAGER, generation, conditions }]
}

function plan(
  object: KubeObject,
  desired: readonly ObjectConditions[],
  seen: readonly WrittenCondition[] = [],
): unknown {
  const before = seen.length === 0 ? [] : [[MANAGER, seen] as const]
  return planStatus({ object, written: new Map(before) }, desired, NOW)
}

test.each([
  {
    name: 'writes a condition that is not there, with the time in whole seconds',
    status: {},
    desired: says([accepted]),
    expected: [{ ...written, lastTransitionTime: '2026-05-01T10:00:00Z' }],
  },
  {
    name: 'is empty when the status says it already',
    status: { conditions: [written] },
    desired: says([accepted]),
  },
  {
    name: 'keeps the time while the status of the condition is the same',
    status: { conditions: [written] },
    desired: says([{ ...accepted, reason: 'UnsupportedValue', message: 'partly' }], 2),
    expected: [{ ...written, reason: 'UnsupportedValue', message: 'partly', observedGeneration: 2 }],
  },
  {
    name: 'takes the time anew when the status of the condition turns',
    status: { conditions: [written] },
    desired: says([{ ...accepted, status: 'False' }]),
    expected: [{ ...written, status: 'False', lastTransitionTime: '2026-05-01T10:00:00Z' }],
  },
  {
    name: 'follows the generation of the object',
    status: { conditions: [written] },
    desired: says([accepted], 7),
    expected: [{ ...written, observedGeneration: 7 }],
  },
  {
    name: 'takes away what should not be there',
    status: { conditions: [written] },
    desired: [],
    expected: [],
  },
  { name: 'is empty when there is nothing to say and nothing there', status: {}, desired: [] },
  {
    name: 'leaves conditions of others alone',
    status: { conditions: [{ type: 'Other', status: 'True' }, written] },
    desired: says([accepted]),
  },
  {
    name: 'writes anew what somebody has made unreadable',
    status: { conditions: 'nonsense' },
    desired: says([accepted]),
    expected: [{ ...written, lastTransitionTime: '2026-05-01T10:00:00Z' }],
  },
])('planStatus() $name', ({ status, desired, expected }) => {
  expect(plan(policy(status), desired)).toEqual(
    expected === undefined ? [] : [{ manager: MANAGER, conditions: expected }],
  )
})

test('planStatus() counts what was written and is not read yet', () => {
  expect(plan(policy(), says([accepted]), [written])).toEqual([])
  expect(plan(policy(), [], [written])).toEqual([{ manager: MANAGER, conditions: [] }])
})
