/** Stands in for `vitest` where mutants are tried: tests are collected, and run as often as one likes, without a runner. */
export { expect } from 'vitest'

type Body = (...values: unknown[]) => unknown

interface CollectedTest {
  readonly name: string
  readonly run: () => unknown
}

const collected: CollectedTest[] = []

/** Those since the last call, in the order of their files. */
export function takeTests(): readonly CollectedTest[] {
  return collected.splice(0)
}

interface Test {
  (name: string, run: Body): void
  each(rows: readonly unknown[]): (name: string, body: Body) => void
}

function isRow(row: unknown): row is readonly unknown[] {
  return Array.isArray(row)
}

export const test: Test = Object.assign(
  (name: string, run: Body): void => {
    collected.push({ name, run })
  },
  {
    each:
      (rows: readonly unknown[]) =>
      (name: string, body: Body): void => {
        for (const row of rows) test(name, () => (isRow(row) ? body(...row) : body(row)))
      },
  },
)

export function describe(_name: string, body: () => void): void {
  body()
}
