import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { systemClock } from '@ambient/lifecycle'
import { encodePprof, type PprofParts, type ThreadStacks } from '../profile/pprof-message.ts'
import { type ProfileStep, ThreadProfiler } from '../profile/thread-profiler.ts'
import type { Answer, Route } from './http-server.ts'

/** Puts a step to every byte thread. */
type AskThreads = (step: ProfileStep) => Promise<readonly ThreadStacks[]>

const zip = promisify<Uint8Array, Buffer>(gzip)

/** Profiles of all threads, the control thread among them, for `go tool pprof`. */
export function profileRoutes(ofThreads: AskThreads): Readonly<Record<string, Route>> {
  const own = new ThreadProfiler()
  let isTiming = false
  let isHeapSampled = false
  const askAll = async (step: ProfileStep): Promise<readonly ThreadStacks[]> => {
    const stacks = own.do(step)
    return [{ thread: 'control', stacks }, ...(await ofThreads(step))]
  }
  return {
    '/debug/pprof/profile': {
      method: 'GET',
      answer: async (query) => {
        const seconds = wholeNumber(query, 'seconds', { fallback: 10, max: 300 })
        const frequency = wholeNumber(query, 'frequency', { fallback: 100, max: 1000 })
        if (seconds === undefined || frequency === undefined)
          return { status: 400, body: 'seconds must be from 1 to 300, frequency from 1 to 1000\n' }
        if (isTiming) return { status: 409, body: 'another profile is being taken\n' }
        isTiming = true
        try {
          const intervalUs = Math.round(1_000_000 / frequency)
          await askAll({ kind: 'start-time', intervalUs })
          await wait(seconds * 1000)
          return await pprofAnswer({
            sampleTypes: [
              ['samples', 'count'],
              ['wall', 'nanoseconds'],
            ],
            period: intervalUs * 1000,
            durationNs: seconds * 1e9,
            threads: await askAll({ kind: 'stop-time' }),
          })
        } finally {
          isTiming = false
        }
      },
    },
    '/debug/pprof/heap': {
      method: 'GET',
      answer: async () => {
        if (!isHeapSampled)
          return { status: 503, body: 'begin by POST /debug/pprof/heap/profiling?activate=true\n' }
        const threads = await askAll({ kind: 'heap' })
        return pprofAnswer({ sampleTypes: [['inuse_space', 'bytes']], period: 1, durationNs: 0, threads })
      },
    },
    '/debug/pprof/heap/profiling': {
      method: 'any',
      answer: async (query) => {
        const activate = query.get('activate')
        if (activate !== null && activate !== 'true' && activate !== 'false')
          return { status: 400, body: 'activate must be true or false\n' }
        const wanted = activate === null ? isHeapSampled : activate === 'true'
        if (wanted !== isHeapSampled) {
          isHeapSampled = wanted
          await askAll({ kind: wanted ? 'start-heap' : 'stop-heap' })
        }
        return { status: 200, body: `heap profiling is ${wanted ? 'active' : 'not active'}\n` }
      },
    },
  }
}

async function pprofAnswer(parts: Omit<PprofParts, 'timeMs'>): Promise<Answer> {
  const body = await zip(encodePprof({ ...parts, timeMs: systemClock.nowMs() }))
  return { status: 200, contentType: 'application/octet-stream', body }
}

function wholeNumber(
  query: URLSearchParams,
  name: string,
  { fallback, max }: { readonly fallback: number; readonly max: number },
): number | undefined {
  const text = query.get(name)
  if (text === null) return fallback
  const value = Number(text)
  return /^\d{1,4}$/.test(text) && value >= 1 && value <= max ? value : undefined
}
