import type { MessagePort } from 'node:worker_threads'
import type { ZdsPod, ZdsPodInfo, ZdsResult } from '@ambient/zds'

/** What the ZDS thread starts with. Descriptors in it are its own from then on, the eventfd excepted. */
export interface ZdsStart {
  readonly socketPath: string
  readonly wakeFd: number
  readonly orders: MessagePort
  readonly held: readonly ZdsPod[]
}

/** Whether this is what `ZtunnelLink` starts a thread with, and not a thread that somebody else started. */
export function isZdsStart(value: unknown): value is ZdsStart {
  return (
    typeof value === 'object' &&
    value !== null &&
    'socketPath' in value &&
    'orders' in value &&
    'held' in value
  )
}

/** Main thread to ZDS thread. */
export type ZdsOrder =
  | {
      readonly kind: 'add'
      readonly number: number
      readonly uid: string
      readonly info: ZdsPodInfo
      readonly netns: number
    }
  | { readonly kind: 'remove'; readonly number: number; readonly uid: string }
  | { readonly kind: 'end' }

/** ZDS thread to main thread. */
export type ZdsReport =
  | { readonly kind: 'listening' }
  | { readonly kind: 'result'; readonly number: number; readonly result: ZdsResult }
  | { readonly kind: 'connections'; readonly count: number; readonly lost: string | undefined }
  | { readonly kind: 'refused'; readonly uid: string; readonly error: string }
