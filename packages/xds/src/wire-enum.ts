import { invalid } from './xds-error.ts'

/** An enum of the wire: its numbers in one order with our words for them. */
export interface WireEnum<T extends string> {
  /** @throws {XdsError} `RESOURCE_INVALID` for a number from the future: guessing what it means would be worse. */
  read(number: number | null | undefined): T
  write(word: T): number
}

export function wireEnum<T extends string>(name: string, words: readonly T[]): WireEnum<T> {
  return {
    read(number) {
      const word = words[number ?? 0]
      if (word === undefined) throw invalid(`unknown ${name} ${number}`)
      return word
    },
    write: (word) => words.indexOf(word),
  }
}
