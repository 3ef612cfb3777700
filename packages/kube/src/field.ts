import { KubeError } from './kube-error.ts'

export type UnknownRecord = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is UnknownRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

/**
 * One place inside an untyped object. Absent (or null, as Kubernetes has it) reads as `undefined` or as empty;
 * anything of the wrong type throws `OBJECT_INVALID`, naming the object, the place and the value.
 */
export class Field {
  readonly #of: string
  readonly #path: string
  readonly value: unknown

  /** @param of What the value belongs to, as an error message shall name it: `Pod shop/web`. */
  constructor(of: string, value: unknown, path = '') {
    this.#of = of
    this.#path = path
    this.value = value ?? undefined
  }

  get isAbsent(): boolean {
    return this.value === undefined
  }

  /** The member `name`; absent when this place is absent. */
  get(name: string): Field {
    const path = this.#path === '' ? name : `${this.#path}.${name}`
    return new Field(this.#of, Object.hasOwn(this.record(), name) ? this.record()[name] : undefined, path)
  }

  record(): UnknownRecord {
    if (this.value === undefined) return {}
    if (isRecord(this.value)) return this.value
    throw this.invalid('must be a map')
  }

  text(): string | undefined {
    if (this.value === undefined || typeof this.value === 'string') return this.value
    throw this.invalid('must be a string')
  }

  requiredText(): string {
    const text = this.text()
    if (text !== undefined && text !== '') return text
    throw this.invalid('must be set')
  }

  /** One of a few texts. */
  choice<T extends string>(allowed: readonly T[]): T | undefined {
    const text = this.text()
    if (text === undefined) return undefined
    const found = allowed.find((each) => each === text)
    if (found === undefined) throw this.invalid(`must be one of ${allowed.join(', ')}`)
    return found
  }

  integer(): number | undefined {
    if (this.value === undefined) return undefined
    if (typeof this.value === 'number' && Number.isSafeInteger(this.value)) return this.value
    throw this.invalid('must be a whole number')
  }

  boolean(): boolean | undefined {
    if (this.value === undefined || typeof this.value === 'boolean') return this.value
    throw this.invalid('must be true or false')
  }

  list(): readonly Field[] {
    if (this.value === undefined) return []
    if (!isList(this.value)) throw this.invalid('must be a list')
    return this.value.map((item, index) => new Field(this.#of, item, `${this.#path}[${index}]`))
  }

  texts(): readonly string[] {
    return this.list().map((item) => item.requiredText())
  }

  /** A map of strings, as labels, annotations and selectors are. */
  textMap(): Readonly<Record<string, string>> {
    const entries: [string, string][] = []
    for (const name of Object.keys(this.record())) {
      const text = this.get(name).text()
      if (text !== undefined) entries.push([name, text])
    }
    return Object.fromEntries(entries)
  }

  /** Refuses a member of any other name: what it was meant to say would be lost. @throws {KubeError} `OBJECT_INVALID` */
  refuseOthers(known: readonly string[]): void {
    const other = Object.keys(this.record()).find((name) => !known.includes(name))
    if (other !== undefined) throw this.get(other).invalid(`is none of ${known.join(', ')}`)
  }

  /** An error that names the object, this place and its value. */
  invalid(problem: string): KubeError {
    const shown = this.value === undefined ? 'nothing' : JSON.stringify(this.value).slice(0, 100)
    const place = this.#path === '' ? 'the object' : this.#path
    return new KubeError('OBJECT_INVALID', `Cannot read ${this.#of}: ${place} ${problem}: ${shown}`)
  }
}
