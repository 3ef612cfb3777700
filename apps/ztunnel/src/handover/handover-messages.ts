/** What crosses between the control thread and the thread that speaks to the ztunnels before and after us. */
import type { HandoverRequest, HandoverResult } from '@ambient/zds'

export type HandoverCommand =
  /** To the predecessor. Answered by one `result` with the same number. */
  | { readonly kind: 'ask'; readonly number: number; readonly request: HandoverRequest }
  /** To what the successor asked under this number; sockets in it are the receiver's. */
  | { readonly kind: 'reply'; readonly number: number; readonly result: HandoverResult }
  /** From here on a successor may come. */
  | { readonly kind: 'listen' }
  /** This process ends: nobody comes to us any more, and a predecessor that is still there serves again. */
  | { readonly kind: 'leave' }

export type HandoverReport =
  /** The first of all reports. */
  | { readonly kind: 'predecessor'; readonly isThere: boolean }
  | { readonly kind: 'predecessor-lost'; readonly reason: string }
  /** Sockets in it are the receiver's. */
  | { readonly kind: 'result'; readonly number: number; readonly result: HandoverResult }
  /** Answered by one `reply` with the same number. */
  | { readonly kind: 'successor-asks'; readonly number: number; readonly request: HandoverRequest }
  /** `isOurs`: nobody else has taken its place, so what was handed over is ours to serve again. */
  | { readonly kind: 'successor-lost'; readonly reason: string; readonly isOurs: boolean }
  | { readonly kind: 'successor-turned-away' }
  | { readonly kind: 'cannot-listen'; readonly reason: string }
