import { join } from 'node:path'
import type { Lab, LabPod, LabProcess } from '@ambient/lab'
import { MARKER } from './shop.ts'

export interface LoadCounts {
  readonly opened: number
  readonly answered: number
  readonly failed: number
  readonly seconds: number
  readonly isOver: boolean
  readonly lastFailure: string
}

const PROGRAM = join(import.meta.dirname, 'test', 'connection-load.ts')
const NODE = [process.execPath, '--conditions=@ambient/source', '--disable-warning=ExperimentalWarning']

/** New connections from a pod to the shop's web server, so many a second, or as many as the machine gives. */
export class SteadyLoad {
  readonly #lab: Lab
  readonly #process: LabProcess

  private constructor(lab: Lab, process: LabProcess) {
    this.#lab = lab
    this.#process = process
  }

  /** @returns once connections are answered */
  static async start(
    lab: Lab,
    from: LabPod,
    { to, rate }: { readonly to: LabPod; readonly rate: number },
  ): Promise<SteadyLoad> {
    const argv = [...NODE, PROGRAM, to.ip, '8080', String(rate), MARKER]
    const load = new SteadyLoad(lab, await from.withHostFiles().start(argv))
    await load.goesOn('at its start')
    return load
  }

  /** What has been counted so far. */
  counts(): LoadCounts {
    const lines = this.#process.logs().split('\n')
    const last = lines.findLast((line) => line.startsWith('{') && line.endsWith('}'))
    return last === undefined ? NOTHING : readCounts(last)
  }

  /** Waits for a hundred more answers from now on: whatever has just happened, it happened under load. */
  async goesOn(when: string): Promise<void> {
    const { answered } = this.counts()
    await this.#lab.waitFor(
      `a hundred more answers ${when}`,
      () => this.counts().answered >= answered + 100,
      20_000,
    )
  }

  /** Opens no more, and waits for what is open. */
  async end(): Promise<LoadCounts> {
    this.#process.end()
    return this.#lab.waitFor(
      'the last connections to end',
      () => {
        const counts = this.counts()
        return counts.isOver ? counts : undefined
      },
      20_000,
    )
  }
}

const NOTHING: LoadCounts = { opened: 0, answered: 0, failed: 0, seconds: 0, isOver: false, lastFailure: '' }

function readCounts(line: string): LoadCounts {
  const counts: unknown = JSON.parse(line)
  if (!isCounts(counts)) throw new Error(`The load said: ${line}`)
  return counts
}

function isCounts(value: unknown): value is LoadCounts {
  return typeof value === 'object' && value !== null && 'opened' in value && 'isOver' in value
}
