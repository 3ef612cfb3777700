import { setImmediate } from 'node:timers/promises'
import type { Clock } from '@ambient/lifecycle'

/** Elements of a list that are made one by one while it is written, since there may be tens of thousands. */
export class LazyList {
  readonly #elements: () => Iterable<unknown>

  constructor(elements: () => Iterable<unknown>) {
    this.#elements = elements
  }

  [Symbol.iterator](): Iterator<unknown> {
    return this.#elements()[Symbol.iterator]()
  }
}

/** The same of the fields of an object. */
export class LazyRecord {
  readonly #fields: () => Iterable<readonly [name: string, value: unknown]>

  constructor(fields: () => Iterable<readonly [name: string, value: unknown]>) {
    this.#fields = fields
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: unknown]> {
    return this.#fields()[Symbol.iterator]()
  }
}

const SLICE_MS = 5

/**
 * JSON of a value, and of the lazy lists that it is or has for fields, and of a lazy record. Written in slices of time
 * between which all other work has its turn: nobody's push waits for a dump.
 */
export async function renderJson(
  value: unknown,
  style: 'compact' | 'pretty',
  clock: Pick<Clock, 'monotonicMs'>,
): Promise<string> {
  const pieces: string[] = []
  const indent = style === 'pretty' ? 4 : undefined
  let endMs = clock.monotonicMs() + SLICE_MS
  const rest = async (): Promise<void> => {
    if (clock.monotonicMs() < endMs) return
    await setImmediate()
    endMs = clock.monotonicMs() + SLICE_MS
  }
  const list = async (elements: LazyList): Promise<void> => {
    let separator = '['
    for (const element of elements) {
      pieces.push(separator, JSON.stringify(element, undefined, indent))
      separator = ','
      await rest()
    }
    pieces.push(separator === '[' ? '[]' : ']')
  }
  const record = async (fields: Iterable<readonly [string, unknown]>): Promise<void> => {
    let separator = '{'
    for (const [name, field] of fields) {
      if (field === undefined) continue
      pieces.push(separator, JSON.stringify(name), ':')
      if (field instanceof LazyList) await list(field)
      else pieces.push(JSON.stringify(field, undefined, indent))
      separator = ','
      await rest()
    }
    pieces.push(separator === '{' ? '{}' : '}')
  }
  if (value instanceof LazyList) await list(value)
  else if (value instanceof LazyRecord) await record(value)
  else if (hasLists(value)) await record(Object.entries(value))
  else pieces.push(JSON.stringify(value, undefined, indent))
  return `${pieces.join('')}\n`
}

function hasLists(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).some((field: unknown) => field instanceof LazyList)
  )
}
