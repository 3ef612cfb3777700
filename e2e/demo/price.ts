/** What the mesh costs, by the same requests without it and through it. */
import type { Lab } from '@ambient/lab'
import { progress, showTable } from './show.ts'

const REQUESTS = 200
const SETTLING_REQUESTS = 20

export interface Price {
  /** Seconds of one request on a connection that is kept, sorted. */
  readonly kept: readonly number[]
  /** Seconds of one request on a connection of its own, sorted. */
  readonly fresh: readonly number[]
  /** Milliseconds of CPU that the mesh's own programs took for all of them. */
  readonly meshCpuMs: number
}

/** Asks the shop's web server from `pod`, by one curl for each kind of connection. */
export async function measurePrice(lab: Lab, pod: string): Promise<Price> {
  progress(`${2 * REQUESTS} requests`)
  await times(lab, pod, SETTLING_REQUESTS, [])
  const before = meshCpuMs(lab)
  const kept = await times(lab, pod, REQUESTS, [])
  const fresh = await times(lab, pod, REQUESTS, ['-H', 'Connection: close'])
  return { kept, fresh, meshCpuMs: meshCpuMs(lab) - before }
}

/** The price without the mesh beside the price with it. */
export function showPrice(lab: Lab, without: Price, within: Price): void {
  const row = (
    name: string,
    quantile: number,
    of: (price: Price) => readonly number[],
  ): readonly string[] => {
    const [a, b] = [at(of(without), quantile), at(of(within), quantile)]
    return [name, milliseconds(a), milliseconds(b), `${(b / a).toFixed(1)} ×`]
  }
  showTable(
    ['price of one curl request', 'no mesh', 'mesh', 'ratio'],
    [
      row('kept connection, median', 0.5, (price) => price.kept),
      row('kept connection, 99th percentile', 0.99, (price) => price.kept),
      row('new connection, median', 0.5, (price) => price.fresh),
      row('new connection, 99th percentile', 0.99, (price) => price.fresh),
    ],
  )
  const perThousand = (within.meshCpuMs / (2 * REQUESTS)) * 1000
  const stats = lab.stats()
  showTable(
    ['price of the mesh', 'CPU since start', 'memory'],
    [
      ...stats.map(({ name, cpuMs, rssBytes }) => [name, seconds(cpuMs), megabytes(rssBytes)]),
      [
        'all of it',
        seconds(sum(stats.map(({ cpuMs }) => cpuMs))),
        megabytes(sum(stats.map((s) => s.rssBytes))),
      ],
      ['for 1,000 requests', seconds(perThousand), ''],
    ],
  )
}

async function times(lab: Lab, pod: string, count: number, options: readonly string[]): Promise<number[]> {
  const command = ['curl', '-sS', '--max-time', '20', '-o', '/dev/null', '-w', '%{http_code} %{time_total}\n']
  const { stdout } = await lab.pod(pod).exec([...command, ...options, `http://web/[1-${count}]`])
  const lines = stdout.trim().split('\n')
  const good = lines.filter((line) => line.startsWith('200 '))
  if (good.length !== count)
    throw new Error(`${good.length} of ${count} requests were answered: ${lines.at(-1)}`)
  return good.map((line) => Number(line.slice(4))).toSorted((a, b) => a - b)
}

function meshCpuMs(lab: Lab): number {
  return sum(lab.stats().map(({ cpuMs }) => cpuMs))
}

function at(sorted: readonly number[], quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? Number.NaN
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function milliseconds(value: number): string {
  return `${(value * 1000).toFixed(2)} ms`
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}
