import protobuf from 'protobufjs'
import { envoyMessages } from './generated/envoy.js'

/** A value in the JSON form of one of Envoy's messages. */
export type EnvoyValue = string | number | boolean | null | readonly EnvoyValue[] | EnvoyFields
export interface EnvoyFields {
  readonly [name: string]: EnvoyValue | undefined
}

const root = protobuf.Root.fromJSON(envoyMessages)
const TYPE_URL = 'type.googleapis.com/'

/** Messages that hold one value, and stand for "not set" where they are missing. */
const WRAPPER = /^google\.protobuf\.(Double|Float|Int64|UInt64|Int32|UInt32|Bool|String|Bytes)Value$/

/**
 * One message of Envoy's API from its JSON form: fields by their names in the `.proto` files, durations as `1.5s`, wrappers as
 * their value, an `Any` by its fields beside `@type` (`type.googleapis.com/` may be left out). Members that are undefined
 * are not there.
 *
 * @param typeName Without a leading dot: `envoy.config.cluster.v3.Cluster`.
 * @throws {TypeError} naming message and field, for a field or value that it does not have: what is sent and not understood
 *   would be lost without a word.
 * @see protobuf.dev, ProtoJSON Format
 */
export function encodeEnvoyMessage(typeName: string, json: EnvoyFields): Uint8Array {
  const type = root.lookupType(typeName)
  return type.encode(type.fromObject(messageOf(type, json))).finish()
}

function messageOf(type: protobuf.Type, json: EnvoyValue): Record<string, unknown> {
  const name = type.fullName.slice(1)
  switch (name) {
    case 'google.protobuf.Any':
      return anyOf(json)
    case 'google.protobuf.Duration':
      return durationOf(json)
    case 'google.protobuf.Struct':
      return structOf(json)
    case 'google.protobuf.Value':
      return valueOf(json)
  }
  if (WRAPPER.test(name)) return { value: json }
  const message: Record<string, unknown> = {}
  for (const [key, value] of membersOf(json, name)) {
    const field = type.fields[key]
    if (field === undefined) throw new TypeError(`Cannot encode ${name}: it has no field "${key}"`)
    message[key] = fieldOf(field.resolve(), value, `${name}.${key}`)
  }
  return message
}

function fieldOf(field: protobuf.Field, value: EnvoyValue, of: string): unknown {
  if (field instanceof protobuf.MapField)
    return Object.fromEntries(membersOf(value, of).map(([key, item]) => [key, oneOf(field, item, of)]))
  if (!field.repeated) return oneOf(field, value, of)
  if (!isList(value)) throw new TypeError(`Cannot encode ${of}: it must be a list`)
  return value.map((item) => oneOf(field, item, of))
}

function oneOf({ resolvedType }: protobuf.Field, value: EnvoyValue, of: string): unknown {
  if (resolvedType instanceof protobuf.Type) return messageOf(resolvedType, value)
  if (!(resolvedType instanceof protobuf.Enum)) return value
  const number = typeof value === 'string' ? resolvedType.values[value] : undefined
  if (number === undefined)
    throw new TypeError(`Cannot encode ${of}: it has no value ${JSON.stringify(value)}`)
  return number
}

function anyOf(json: EnvoyValue): Record<string, unknown> {
  const { '@type': url, ...fields } = Object.fromEntries(membersOf(json, 'google.protobuf.Any'))
  if (typeof url !== 'string') throw new TypeError('Cannot encode google.protobuf.Any: "@type" is missing')
  const typeName = url.slice(url.lastIndexOf('/') + 1)
  const type = root.lookupType(typeName)
  const message = WRAPPER.test(typeName) ? fields : messageOf(type, fields) // a wrapper has its value under "value" here
  return { type_url: `${TYPE_URL}${typeName}`, value: type.encode(type.fromObject(message)).finish() }
}

function durationOf(json: EnvoyValue): Record<string, unknown> {
  const text = typeof json === 'string' ? json : ''
  const [, seconds, fraction = ''] = /^(\d+)(?:\.(\d{1,9}))?s$/.exec(text) ?? []
  if (seconds === undefined)
    throw new TypeError(
      `Cannot encode google.protobuf.Duration: ${JSON.stringify(json)} is no number of seconds`,
    )
  return { seconds: Number(seconds), nanos: Number(fraction.padEnd(9, '0')) }
}

function structOf(json: EnvoyValue): Record<string, unknown> {
  const members = membersOf(json, 'google.protobuf.Struct')
  return { fields: Object.fromEntries(members.map(([key, value]) => [key, valueOf(value)])) }
}

function valueOf(json: EnvoyValue): Record<string, unknown> {
  if (json === null) return { nullValue: 0 }
  if (isList(json)) return { listValue: { values: json.map(valueOf) } }
  if (isFields(json)) return { structValue: structOf(json) }
  if (typeof json === 'number') return { numberValue: json }
  return typeof json === 'boolean' ? { boolValue: json } : { stringValue: json }
}

function membersOf(json: EnvoyValue, of: string): readonly (readonly [string, EnvoyValue])[] {
  if (!isFields(json)) throw new TypeError(`Cannot encode ${of}: it must be a map`)
  return Object.entries(json).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))
}

function isFields(value: EnvoyValue): value is EnvoyFields {
  return typeof value === 'object' && value !== null && !isList(value)
}

function isList(value: EnvoyValue): value is readonly EnvoyValue[] {
  return Array.isArray(value)
}
