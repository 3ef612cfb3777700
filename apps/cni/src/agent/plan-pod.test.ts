import { expect, test } from 'vitest'
import type { PodState } from './mesh-pod.ts'
import { planPod, type PodSituation } from './plan-pod.ts'

const states: Readonly<Record<PodState['kind'], PodState>> = {
  pending: { kind: 'pending', cause: '' },
  enrolled: { kind: 'enrolled', sinceMs: 0 },
  draining: { kind: 'draining', sinceMs: 0, quietPolls: 0 },
  broken: { kind: 'broken' },
  detached: { kind: 'detached' },
}
const enrolled: PodSituation = {
  presence: 'running',
  isSelected: true,
  annotation: 'enabled',
  state: states.enrolled,
  areIpsKnown: true,
  areRulesRight: true,
  hasRecord: true,
}

test.each<{ name: string; change: Partial<PodSituation>; step: string }>([
  { name: 'has nothing to do for a pod that is where it should be', change: {}, step: 'none' },
  {
    name: 'has nothing to do for a pod that is none of ours',
    change: { isSelected: false, annotation: undefined, state: undefined, hasRecord: false },
    step: 'none',
  },
  {
    name: 'enrols a running pod',
    change: { annotation: undefined, state: undefined, hasRecord: false },
    step: 'enrol',
  },
  { name: 'does not believe an annotation', change: { state: undefined }, step: 'enrol' },
  { name: 'waits for an address', change: { presence: 'waiting-for-ip', state: undefined }, step: 'none' },
  {
    name: 'goes on with a pending pod',
    change: { state: states.pending, annotation: 'pending' },
    step: 'enrol',
  },
  { name: 'writes the annotation last', change: { annotation: undefined }, step: 'refresh' },
  { name: 'replaces an old pending', change: { annotation: 'pending' }, step: 'refresh' },
  { name: 'follows a changed address', change: { areIpsKnown: false }, step: 'refresh' },
  {
    name: 'writes rules again before anything else',
    change: { areRulesRight: false, annotation: undefined, areIpsKnown: false },
    step: 'renew-rules',
  },
  {
    name: 'writes no rules again for a pod that is to leave',
    change: { areRulesRight: false, isSelected: false },
    step: 'start-draining',
  },
  { name: 'takes a draining pod back', change: { state: states.draining }, step: 'enrol' },
  {
    name: 'leaves a pod between two sandboxes to the runtime',
    change: { state: states.detached },
    step: 'none',
  },
  {
    name: 'leaves a broken pod to others',
    change: { state: states.broken, areRulesRight: false, hasRecord: false },
    step: 'none',
  },
  {
    name: 'enrols a broken pod once nobody says any more that it is in the mesh',
    change: { state: states.broken, annotation: undefined },
    step: 'enrol',
  },
  {
    name: 'un-enrols a broken pod',
    change: { state: states.broken, isSelected: false },
    step: 'start-draining',
  },
  { name: 'un-enrols', change: { isSelected: false }, step: 'start-draining' },
  {
    name: 'un-enrols a pending pod',
    change: { isSelected: false, state: states.pending },
    step: 'start-draining',
  },
  {
    name: 'un-enrols what another agent enrolled',
    change: { isSelected: false, state: undefined },
    step: 'start-draining',
  },
  {
    name: 'un-enrols by the record alone',
    change: { isSelected: false, state: undefined, annotation: undefined },
    step: 'start-draining',
  },
  {
    name: 'only cleans up where no netns can be found',
    change: { isSelected: false, state: undefined, presence: 'waiting-for-ip' },
    step: 'clean-annotation',
  },
  { name: 'goes on draining', change: { isSelected: false, state: states.draining }, step: 'go-on-draining' },
  { name: 'forgets a pod that is gone', change: { presence: 'gone' }, step: 'forget' },
  {
    name: 'forgets a pod between two sandboxes that is gone',
    change: { presence: 'gone', state: states.detached, hasRecord: false },
    step: 'forget',
  },
  {
    name: 'forgets the record of a pod that is gone',
    change: { presence: 'gone', state: undefined },
    step: 'forget',
  },
  {
    name: 'has nothing to do for a pod that was never ours and is gone',
    change: { presence: 'gone', state: undefined, hasRecord: false },
    step: 'none',
  },
])('planPod() $name', ({ change, step }) => {
  expect(planPod({ ...enrolled, ...change })).toBe(step)
})
