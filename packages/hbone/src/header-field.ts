export interface HeaderField {
  readonly name: string
  readonly value: string
}

/** Values of every field called `name`, in order. */
export function fieldValues(fields: readonly HeaderField[], name: string): string[] {
  return fields.filter((field) => field.name === name).map((field) => field.value)
}
