/** Where a thread was, innermost frame first, and what was measured there. */
export interface Stack {
  readonly frames: readonly Frame[]
  readonly values: readonly number[]
}

export interface Frame {
  readonly name: string
  readonly file: string
  readonly line: number
}

export interface ThreadStacks {
  readonly thread: string
  readonly stacks: readonly Stack[]
}

export interface PprofParts {
  /** What the values of a stack are, in their order. */
  readonly sampleTypes: readonly (readonly [type: string, unit: string])[]
  readonly period: number
  readonly durationNs: number
  readonly timeMs: number
  readonly threads: readonly ThreadStacks[]
}

/**
 * A profile as `go tool pprof` reads it, with the thread as a label of each sample.
 *
 * @see https://github.com/google/pprof/blob/main/proto/profile.proto
 */
export function encodePprof({ sampleTypes, period, durationNs, timeMs, threads }: PprofParts): Uint8Array {
  const tables = new PprofTables()
  const types = sampleTypes.map(([type, unit]) => message([1, tables.text(type)], [2, tables.text(unit)]))
  const samples = threads.flatMap(({ thread, stacks }) => {
    const label = message([1, tables.text('thread')], [2, tables.text(thread)])
    return stacks.map(({ frames, values }) =>
      message([1, packed(frames.map((frame) => tables.location(frame)))], [2, packed(values)], [3, label]),
    )
  })
  return message(
    ...types.map((type): Field => [1, type]),
    ...samples.map((sample): Field => [2, sample]),
    ...tables.locations.map((location): Field => [4, location]),
    ...tables.functions.map((made): Field => [5, made]),
    ...tables.texts.map((text): Field => [6, Buffer.from(text)]),
    [9, timeMs * 1_000_000],
    [10, durationNs],
    ...types.slice(-1).map((type): Field => [11, type]),
    [12, period],
  )
}

/** What samples point to, each once. */
class PprofTables {
  readonly texts: string[] = []
  readonly functions: Uint8Array[] = []
  readonly locations: Uint8Array[] = []
  readonly #texts = new Map<string, number>()
  readonly #functions = new Map<string, number>()
  readonly #locations = new Map<string, number>()

  constructor() {
    // The first has to be empty.
    this.text('')
  }

  text(text: string): number {
    return known(this.#texts, text, () => this.texts.push(text) - 1)
  }

  location(frame: Frame): number {
    const { name, file, line } = frame
    return known(this.#locations, JSON.stringify([name, file, line]), () => {
      const at = message([1, this.#function(frame)], [2, line])
      return this.locations.push(message([1, this.locations.length + 1], [4, at]))
    })
  }

  #function({ name, file }: Frame): number {
    return known(this.#functions, JSON.stringify([name, file]), () => {
      const [called, where] = [this.text(name), this.text(file)]
      const made = message([1, this.functions.length + 1], [2, called], [3, called], [4, where])
      return this.functions.push(made)
    })
  }
}

function known(ids: Map<string, number>, key: string, make: () => number): number {
  const id = ids.get(key) ?? make()
  ids.set(key, id)
  return id
}

type Field = readonly [number: number, value: number | Uint8Array]

/** Fields of protobuf: whole numbers from 0 on, and what has a length. */
function message(...fields: readonly Field[]): Uint8Array {
  return Buffer.concat(
    fields.map(([number, value]) =>
      typeof value === 'number'
        ? Buffer.from([...varint(number << 3), ...varint(value)])
        : Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(value.length)]), value]),
    ),
  )
}

function packed(values: readonly number[]): Uint8Array {
  return Buffer.from(values.flatMap(varint))
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let left = BigInt(Math.max(0, Math.round(value)))
  do {
    const low = Number(left & 0x7fn)
    left >>= 7n
    bytes.push(left === 0n ? low : low | 0x80)
  } while (left !== 0n)
  return bytes
}
