/** OpenAPI schemas of custom resources, as far as the API server takes them. */
export type Schema = Readonly<Record<string, unknown>>

export interface Rule {
  /** CEL. */
  readonly rule: string
  readonly message: string
}

export function text(description: string, maxLength?: number): Schema {
  return { type: 'string', description, ...(maxLength === undefined ? {} : { maxLength }) }
}

export function oneOf(description: string, values: readonly string[]): Schema {
  return { type: 'string', description, enum: values }
}

export function portNumber(description: string): Schema {
  return { type: 'integer', description, minimum: 1, maximum: 65_535 }
}

export function list(items: Schema, limits: { readonly max: number; readonly min?: number }): Schema {
  return {
    type: 'array',
    items,
    maxItems: limits.max,
    ...(limits.min === undefined ? {} : { minItems: limits.min }),
  }
}

export function map(values: Schema, maxProperties: number): Schema {
  return { type: 'object', additionalProperties: values, maxProperties }
}

export function object(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  more: { readonly required?: readonly string[]; readonly rules?: readonly Rule[] } = {},
): Schema {
  return {
    type: 'object',
    description,
    properties,
    ...(more.required === undefined ? {} : { required: more.required }),
    ...(more.rules === undefined ? {} : { 'x-kubernetes-validations': more.rules }),
  }
}

/** At most one of these members is there. */
export function atMostOne(names: readonly string[]): Rule {
  const count = names.map((name) => `(has(self.${name}) ? 1 : 0)`).join(' + ')
  return { rule: `${count} <= 1`, message: `only one of ${names.join(', ')} can be set` }
}
