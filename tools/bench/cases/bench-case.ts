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
  /**
   * What it is measured on: grounds that serve all rounds; programs that have just been started, anew in each round; the
   * same, of contestants that are a mesh.
   */
  readonly needs: 'any ground' | 'fresh programs' | 'a mesh of its own'
  readonly measure: (ground: Ground, seconds: number) => Promise<readonly Measured[]>
}
