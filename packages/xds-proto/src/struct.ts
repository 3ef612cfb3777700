import type { google } from './generated/messages.js'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [name: string]: JsonValue
}

type Struct = google.protobuf.Struct.$Properties
type Value = google.protobuf.Value.$Properties

/** JSON as `google.protobuf.Struct`, names sorted so that equal objects give equal bytes. */
export function toStruct(object: JsonObject): Struct {
  const fields: { [name: string]: Value } = {}
  for (const name of Object.keys(object).toSorted()) fields[name] = toValue(object[name] ?? null)
  return { fields }
}

export function fromStruct(struct: Struct | null | undefined): JsonObject {
  return Object.fromEntries(
    Object.entries(struct?.fields ?? {}).map(([name, value]) => [name, fromValue(value)]),
  )
}

function toValue(value: JsonValue): Value {
  if (value === null) return { nullValue: 0 }
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return isList(value) ? { listValue: { values: value.map(toValue) } } : { structValue: toStruct(value) }
}

function fromValue(value: Value): JsonValue {
  if (value.structValue) return fromStruct(value.structValue)
  if (value.listValue) return (value.listValue.values ?? []).map(fromValue)
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null
}

function isList(value: readonly JsonValue[] | JsonObject): value is readonly JsonValue[] {
  return Array.isArray(value)
}
