import type { FileProblem } from '@ambient/kube'

/** Where istiod is on its way; `reason` says what it waits for. */
export type StartState =
  | { readonly kind: 'starting'; readonly reason: string }
  | { readonly kind: 'serving' }
  | { readonly kind: 'stopping' }

/**
 * Whether a state that is synced may be served for the first time. A file that has never been read whole may hold the
 * policy that closes something, so serving without it could open what somebody meant to close.
 *
 * @returns undefined when it may, else what is in the way.
 */
export function hindrance(isSynced: boolean, problems: readonly FileProblem[]): string | undefined {
  if (!isSynced) return 'the configuration has not been read yet'
  const unread = problems.find((problem) => !problem.hasLastGood)
  return unread === undefined ? undefined : unread.message
}

export function describeState(state: StartState): string {
  return state.kind === 'starting' ? `starting: ${state.reason}` : state.kind
}
