import { controlReasons } from './control-reasons.ts'
import type { Reason } from './reason.ts'
import { trafficReasons } from './traffic-reasons.ts'

export type TrafficReasonCode = keyof typeof trafficReasons
export type ControlReasonCode = keyof typeof controlReasons
/** Every refusal anywhere in the mesh is one of these. */
export type ReasonCode = TrafficReasonCode | ControlReasonCode

/** The one table; docs and logs are made from it. */
export const reasons: Readonly<Record<ReasonCode, Reason>> = { ...trafficReasons, ...controlReasons }

export function reason(code: ReasonCode): Reason {
  return reasons[code]
}

export function isReasonCode(text: string): text is ReasonCode {
  return Object.hasOwn(reasons, text)
}
