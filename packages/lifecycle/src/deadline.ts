export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

/**
 * A signal that aborts with a `TimeoutError` after `ms`, or when `parent` does, whichever is first. Dispose it when the
 * work is over: that clears the timer and takes the listener off `parent`, which may live as long as the process.
 */
export function deadline(parent: AbortSignal | undefined, ms: number): Deadline {
  const controller = new AbortController()
  const onParentAbort = (): void => controller.abort(parent?.reason)
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`Deadline of ${ms} ms passed`, 'TimeoutError'))
  }, ms)
  if (parent?.aborted === true) onParentAbort()
  else parent?.addEventListener('abort', onParentAbort)
  return {
    signal: controller.signal,
    [Symbol.dispose](): void {
      clearTimeout(timer)
      parent?.removeEventListener('abort', onParentAbort)
      controller.abort(new DOMException('Work is over', 'AbortError'))
    },
  }
}
