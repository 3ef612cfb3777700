import type { FuzzTarget } from './fuzz-targets.ts'

export interface Fuzzed {
  readonly inputs: number
  /** The corpus with what was found: inputs that no earlier one was answered like. */
  readonly corpus: readonly string[]
  readonly failure: { readonly input: string; readonly error: string } | undefined
}

export interface FuzzSettings {
  /** In hexadecimal. */
  readonly corpus: readonly string[]
  readonly seed: number
  /** Asked now and then. */
  readonly isOver: () => boolean
}

const MAX_CORPUS = 60
const MAX_INPUT_BYTES = 1024
const MAX_CHANGES = 4
const INPUTS_A_LOOK = 256
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x3a, 0x2c, 0x3d, 0x22, 0x5b]

/**
 * Changes inputs of the corpus and has the target read them, until it is over or one makes the target fail. An input whose
 * answer is new joins the corpus. The same seed and corpus give the same inputs.
 */
export function fuzz(target: FuzzTarget, { corpus, seed, isOver }: FuzzSettings): Fuzzed {
  const random = numbers(seed)
  const inputs = [...target.seeds, ...corpus.map((hex) => Buffer.from(hex, 'hex'))].map((input) =>
    copy(input),
  )
  const answers = new Set<string>()
  const kept = [...corpus]
  let count = 0
  for (; ; count++) {
    if (count >= inputs.length && count % INPUTS_A_LOOK === 0 && isOver()) break
    // First what is known already.
    const input = count < inputs.length ? inputs[count] : changed(inputs, random)
    if (input === undefined) continue
    const answer = answerOf(target, input)
    if (answer.error !== undefined)
      return { inputs: count, corpus: kept, failure: { input: hexOf(input), error: answer.error } }
    if (answers.has(answer.shape)) continue
    answers.add(answer.shape)
    if (count < inputs.length || kept.length >= MAX_CORPUS) continue
    kept.push(hexOf(input))
    inputs.push(input)
  }
  return { inputs: count, corpus: kept, failure: undefined }
}

function answerOf(
  target: FuzzTarget,
  input: Uint8Array<ArrayBuffer>,
): { readonly shape: string; readonly error?: string } {
  try {
    return { shape: shapeOf(target.read(input)) }
  } catch (cause) {
    return { shape: '', error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }
  }
}

type Numbers = (below: number) => number

function changed(inputs: readonly Uint8Array[], random: Numbers): Uint8Array<ArrayBuffer> {
  const pick = (): Uint8Array => inputs[random(inputs.length)] ?? new Uint8Array(0)
  let bytes = [...pick()]
  for (let i = random(MAX_CHANGES); i >= 0; i--) bytes = change(bytes, random, pick)
  return Uint8Array.from(bytes.slice(0, MAX_INPUT_BYTES))
}

function change(bytes: number[], random: Numbers, other: () => Uint8Array): number[] {
  const at = random(bytes.length + 1)
  const length = 1 + random(8)
  switch (random(7)) {
    case 0:
      return bytes.toSpliced(at, 1, random(256))
    case 1:
      return bytes.toSpliced(at, length)
    case 2:
      return bytes.toSpliced(at, 0, ...Array.from({ length }, () => random(256)))
    case 3:
      return bytes.toSpliced(at, 1, INTERESTING[random(INTERESTING.length)] ?? 0)
    case 4:
      return bytes.toSpliced(at, 0, ...bytes.slice(at, at + length))
    case 5:
      return [...bytes.slice(0, at), ...other().subarray(random(16))]
    default:
      return bytes.toSpliced(at, 1, (bytes[at] ?? 0) ^ (1 << random(8)))
  }
}

/** An answer without its numbers and names, so that the corpus keeps kinds and not values. */
function shapeOf(answer: unknown): string {
  return String(answer)
    .replaceAll(/"[^"]*"/g, '"…"')
    .replaceAll(/\d+/g, '#')
    .slice(0, 120)
}

/** xorshift32. */
function numbers(seed: number): Numbers {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

function copy(input: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(input)
}

function hexOf(input: Uint8Array): string {
  return Buffer.from(input).toString('hex')
}
