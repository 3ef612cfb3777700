import type { GroundPlan } from './ground.ts'

/** Who takes part, in the order in which they are shown: ratios are to the first. */
export const contestants: ReadonlyMap<string, GroundPlan> = new Map([
  ['no-mesh', { namespace: 'bench-no-mesh', isEnrolled: false }],
  ['ours', { namespace: 'bench-ours', isEnrolled: true }],
])
