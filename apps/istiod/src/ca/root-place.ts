import type { KindName, KubeObject, ListOptions, Manifest } from '@ambient/kube'

/** Objects that roots are kept in: what was seen of them, and what has to be written. */
export interface RootPlace {
  /** Who writes there. */
  readonly owner: string
  readonly watches: readonly { readonly kind: KindName; readonly options: ListOptions }[]
  /** Remembers what an object says. @returns whether it may have to be written. */
  take(object: KubeObject, isGone: boolean): boolean
  /** What there is to write as things are now; none once everything is as it should be. */
  missing(): readonly RootWrite[]
}

export interface RootWrite {
  readonly object: Manifest
  /** Remembers that it is written. */
  readonly onWritten: () => void
}
