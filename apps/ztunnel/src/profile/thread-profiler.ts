import { type HeapProfiler, type Profiler, Session } from 'node:inspector'
import type { Frame, Stack } from './pprof-message.ts'

/** What to do about the profiles of a thread. Those that end something, and `heap`, give stacks. */
export type ProfileStep =
  | { readonly kind: 'start-time'; readonly intervalUs: number }
  | { readonly kind: 'stop-time' }
  | { readonly kind: 'start-heap' }
  | { readonly kind: 'stop-heap' }
  | { readonly kind: 'heap' }

/** Between samples of what is allocated, on average. */
const HEAP_SAMPLE_BYTES = 65_536

/**
 * Profiles of the thread that it is made on. An inspector's session with its own thread answers within the call, so a
 * byte thread, which never returns to Node's loop, can have one as well.
 */
export class ThreadProfiler {
  #session: Session | undefined
  #intervalUs = 0

  /** @returns Where the thread was, each stack with its values; nothing for steps that only begin or end. */
  do(step: ProfileStep): readonly Stack[] {
    const session = (this.#session ??= connected())
    switch (step.kind) {
      case 'start-time':
        this.#intervalUs = step.intervalUs
        session.post('Profiler.enable')
        session.post('Profiler.setSamplingInterval', { interval: step.intervalUs })
        session.post('Profiler.start')
        return []
      case 'stop-time': {
        const stacks = timeStacks(stopped(session), this.#intervalUs)
        session.post('Profiler.disable')
        return stacks
      }
      case 'start-heap':
        session.post('HeapProfiler.startSampling', { samplingInterval: HEAP_SAMPLE_BYTES })
        return []
      case 'heap':
        return heapStacks(heapOf(session))
      case 'stop-heap':
        session.post('HeapProfiler.stopSampling')
        return []
    }
  }
}

function connected(): Session {
  const session = new Session()
  session.connect()
  return session
}

function stopped(session: Session): Profiler.Profile | undefined {
  let profile: Profiler.Profile | undefined
  session.post('Profiler.stop', (_error, result) => (profile = result?.profile))
  return profile
}

function heapOf(session: Session): HeapProfiler.SamplingHeapProfileNode | undefined {
  let head: HeapProfiler.SamplingHeapProfileNode | undefined
  session.post('HeapProfiler.getSamplingProfile', (_error, result) => (head = result?.profile.head))
  return head
}

/** Each stack with how often it was seen, and how many nanoseconds that stands for. */
export function timeStacks(profile: Profiler.Profile | undefined, intervalUs: number): readonly Stack[] {
  const nodes = new Map(profile?.nodes.map((node) => [node.id, node]))
  const stacks: Stack[] = []
  const walk = (id: number, above: readonly Frame[]): void => {
    const node = nodes.get(id)
    if (node === undefined) return
    const frames = [frameOf(node.callFrame), ...above]
    const hits = node.hitCount ?? 0
    if (hits > 0) stacks.push({ frames, values: [hits, hits * intervalUs * 1000] })
    for (const child of node.children ?? []) walk(child, frames)
  }
  for (const child of profile?.nodes[0]?.children ?? []) walk(child, [])
  return stacks
}

/** Each stack with the bytes that it allocated and that are still in use. */
export function heapStacks(head: HeapProfiler.SamplingHeapProfileNode | undefined): readonly Stack[] {
  const stacks: Stack[] = []
  const walk = (node: HeapProfiler.SamplingHeapProfileNode, above: readonly Frame[]): void => {
    const frames = [frameOf(node.callFrame), ...above]
    if (node.selfSize > 0) stacks.push({ frames, values: [node.selfSize] })
    for (const child of node.children) walk(child, frames)
  }
  for (const child of head?.children ?? []) walk(child, [])
  return stacks
}

function frameOf({ functionName, url, lineNumber }: Profiler.Profile['nodes'][number]['callFrame']): Frame {
  return { name: functionName === '' ? '(anonymous)' : functionName, file: url, line: lineNumber + 1 }
}
