import type { Ground } from '../ground.ts'

export interface Measured {
  /** The case with its parameters, as the table shows it. */
  readonly case: string
  readonly value: number
  readonly unit: string
}

export interface BenchCase {
  readonly name: string
  /** For `--help` and the page of results. */
  readonly title: string
  readonly measure: (ground: Ground, seconds: number) => Promise<readonly Measured[]>
}
