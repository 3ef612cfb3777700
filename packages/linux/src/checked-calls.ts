/** Debug mode only: foreign functions that are looked at before and after each call. */
import { errno, restoreErrno } from './errno.ts'
import { checkGuardsAt, checkSpan, type Span } from './memory-map.ts'

export type ForeignArgument = number | bigint

/** One call, its result when it has been made. */
export interface ForeignCall {
  readonly name: string
  readonly args: readonly ForeignArgument[]
}

export interface CallRules {
  /** The memory that the call gives to C. */
  spans(call: ForeignCall): readonly Span[]
  before(call: ForeignCall): void
  after(call: ForeignCall, result: unknown): void
}

/** `functions` under `rules`. `errno()` is after the checks what the call left. */
export function checkCalls<T extends object>(functions: T, rules: CallRules): T {
  const checked = new Map<string | symbol, unknown>()
  return new Proxy(functions, {
    get: (target, name): unknown => {
      const known = checked.get(name)
      if (known !== undefined) return known
      const original: unknown = Reflect.get(target, name)
      if (typeof original !== 'function' || typeof name === 'symbol') return original
      const wrapped = (...args: ForeignArgument[]): unknown => {
        const call = { name, args }
        const spans = rules.spans(call)
        for (const span of spans) checkSpan(name, span)
        rules.before(call)
        const result: unknown = Reflect.apply(original, undefined, args)
        const code = errno()
        for (const { address, use } of spans) if (use === 'written') checkGuardsAt(address)
        rules.after(call, result)
        restoreErrno(code)
        return result
      }
      checked.set(name, wrapped)
      return wrapped
    },
  })
}

/** The argument at `index`, as a number. */
export function numberOf({ args }: ForeignCall, index: number): number {
  return Number(args[index] ?? 0)
}

/** The argument at `index`, as an address. */
export function addressOf({ args }: ForeignCall, index: number): bigint {
  return BigInt(args[index] ?? 0)
}
