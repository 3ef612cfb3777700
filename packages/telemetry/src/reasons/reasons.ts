import { controlReasons } from './control-reasons.ts'
import type { ControlReason, Reason } from './reason.ts'
import { trafficReasons } from './traffic-reasons.ts'

export type TrafficReasonCode = keyof typeof trafficReasons
export type ControlReasonCode = keyof typeof controlReasons
/** Every refusal anywhere in the mesh is one of these. */
export type ReasonCode = TrafficReasonCode | ControlReasonCode

/** The one table; docs and logs are made from it. */
export const reasons: Readonly<Record<ReasonCode, Reason>> = { ...trafficReasons, ...ofComponents() }

/** Each says whose log has it. */
function ofComponents(): Readonly<Record<ControlReasonCode, ControlReason>> {
  return controlReasons
}

export function reason(code: ReasonCode): Reason {
  return reasons[code]
}

export function isReasonCode(text: string): text is ReasonCode {
  return Object.hasOwn(reasons, text)
}
