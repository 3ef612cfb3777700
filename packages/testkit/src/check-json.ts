/** The part of JSON Schema that our schemas use. */
interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly enum?: readonly unknown[]
  readonly format?: 'date-time' | 'ip'
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly anyOf?: readonly Schema[]
  /** `#/$defs/NAME`. */
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
}

export interface JsonCheck {
  /** `path: what is wrong`. */
  readonly problems: readonly string[]
  /** Properties that the schema has and the value nowhere. */
  readonly unused: readonly string[]
}

const FORMATS = {
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
  ip: /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]*)$/,
}

/** Holds a value against a JSON Schema, and tells which of its properties the value does not show at all. */
export function checkJson(schema: object, value: unknown): JsonCheck {
  const used = new Set<Schema>()
  const definitions = definitionsOf(schema)
  const problems = check(schema, value, { path: '$', used, definitions })
  const all = [
    ...propertiesOf(schema, '$'),
    ...Object.entries(definitions).flatMap(([name, each]) => propertiesOf(each, name)),
  ]
  return { problems, unused: all.filter(([, each]) => !used.has(each)).map(([path]) => path) }
}

interface Place {
  readonly path: string
  readonly used: Set<Schema>
  readonly definitions: Readonly<Record<string, Schema>>
}

function definitionsOf({ $defs = {} }: Schema): Readonly<Record<string, Schema>> {
  return $defs
}

function check(schema: Schema, value: unknown, place: Place): readonly string[] {
  place.used.add(schema)
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice('#/$defs/'.length)
    const definition = place.definitions[name]
    return definition === undefined
      ? [`${place.path}: no definition ${name}`]
      : check(definition, value, place)
  }
  if (schema.anyOf !== undefined) return checkAlternatives(schema.anyOf, value, place)
  if (schema.enum !== undefined)
    return schema.enum.includes(value)
      ? []
      : [`${place.path}: ${JSON.stringify(value)} is none of ${schema.enum.join(', ')}`]
  return checkType(schema, value, place)
}

function checkAlternatives(alternatives: readonly Schema[], value: unknown, place: Place): readonly string[] {
  const tries = alternatives.map((each) => {
    const used = new Set<Schema>()
    return { used, problems: check(each, value, { ...place, used }) }
  })
  const fitting = tries.find(({ problems }) => problems.length === 0)
  if (fitting === undefined) {
    const first = tries.map(({ problems }) => problems[0])
    return [`${place.path}: fits none of the alternatives (${first.join('; ')})`]
  }
  for (const each of fitting.used) place.used.add(each)
  return []
}

function checkType(schema: Schema, value: unknown, place: Place): readonly string[] {
  const { path } = place
  const problem = (isRight: boolean, what: string): readonly string[] => (isRight ? [] : [`${path}: ${what}`])
  switch (schema.type) {
    case 'object':
      return isObject(value) ? checkObject(schema, value, place) : [`${path}: no object`]
    case 'array':
      if (!Array.isArray(value)) return [`${path}: no array`]
      return value.flatMap((item: unknown) =>
        check(schema.items ?? {}, item, { ...place, path: `${path}[]` }),
      )
    case 'string': {
      const format = schema.format === undefined ? /^/ : FORMATS[schema.format]
      const isRight = typeof value === 'string' && format.test(value)
      return problem(isRight, `${JSON.stringify(value)} is no ${schema.format ?? 'string'}`)
    }
    case 'integer':
      return problem(Number.isInteger(value), 'no integer')
    case 'boolean':
      return problem(typeof value === 'boolean', 'no boolean')
    default:
      return []
  }
}

function checkObject(
  schema: Schema,
  value: Readonly<Record<string, unknown>>,
  place: Place,
): readonly string[] {
  const { properties = {}, required = [], additionalProperties = true } = schema
  const { path } = place
  const missing = required.filter((name) => value[name] === undefined)
  const problems = missing.map((name) => `${path}.${name}: missing`)
  for (const [name, each] of Object.entries(value)) {
    if (each === undefined) continue
    const known =
      properties[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)
    if (known !== undefined) problems.push(...check(known, each, { ...place, path: `${path}.${name}` }))
    else if (additionalProperties === false) problems.push(`${path}.${name}: not in the schema`)
  }
  return problems
}

function propertiesOf(schema: Schema, path: string): readonly [string, Schema][] {
  const { properties = {}, items, additionalProperties, anyOf = [] } = schema
  return [
    ...Object.entries(properties).flatMap(([name, each]): [string, Schema][] => [
      [`${path}.${name}`, each],
      ...propertiesOf(each, `${path}.${name}`),
    ]),
    ...(items === undefined ? [] : propertiesOf(items, `${path}[]`)),
    ...(typeof additionalProperties === 'object' ? propertiesOf(additionalProperties, `${path}.*`) : []),
    ...anyOf.flatMap((each) => propertiesOf(each, path)),
  ]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
