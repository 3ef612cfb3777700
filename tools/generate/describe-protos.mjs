import { join, relative } from 'node:path'
import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'

/** @typedef {(target: import('protobufjs').ReflectionObject | null) => string} Refer Names a type, whose file is imported. */

const { Enum, MapField, Namespace, Root, Service, Type } = protobuf

/**
 * Each file, and each that it imports, as a `google.protobuf.FileDescriptorProto`. Names are made whole and map entries
 * get the names that protoc gives them, since readers of descriptors insist on both.
 *
 * @param {string} directory
 * @param {readonly string[]} names
 */
export async function describeProtos(directory, names) {
  const root = new Root()
  root.resolvePath = (_, target) => join(directory, target)
  await root.load([...names], { keepCase: true })
  root.resolveAll()
  /** @type {Map<string, import('protobufjs').ReflectionObject[]>} */
  const byFile = new Map()
  for (const object of topLevel(root)) {
    const name = nameOf(object, directory)
    byFile.set(name, [...(byFile.get(name) ?? []), object])
  }
  return [...byFile]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, objects]) => describeFile(name, objects, directory))
}

/**
 * @param {string} name
 * @param {readonly import('protobufjs').ReflectionObject[]} objects
 * @param {string} directory
 */
function describeFile(name, objects, directory) {
  /** @type {Set<string>} */
  const imports = new Set()
  /** @type {Refer} */
  const refer = (target) => {
    if (target === null) throw new Error(`${name} names a type that there is not`)
    const file = nameOf(outermost(target), directory)
    if (file !== name) imports.add(file)
    return target.fullName
  }
  const content = {
    messageType: objects.filter((each) => each instanceof Type).map((type) => describeType(type, refer)),
    enumType: objects.filter((each) => each instanceof Enum).map((each) => each.toDescriptor()),
    service: objects
      .filter((each) => each instanceof Service)
      .map((service) => ({
        name: service.name,
        method: service.methodsArray.map((method) => ({
          name: method.name,
          inputType: refer(method.resolvedRequestType),
          outputType: refer(method.resolvedResponseType),
          clientStreaming: method.requestStream === true,
          serverStreaming: method.responseStream === true,
        })),
      })),
  }
  const file = {
    name,
    package: objects[0]?.parent?.fullName.slice(1) ?? '',
    dependency: [...imports].toSorted(),
    ...content,
    syntax: 'proto3',
  }
  const bytes = descriptor.FileDescriptorProto.encode(file).finish()
  return {
    name,
    imports: file.dependency,
    symbols: objects.flatMap(symbolsOf).toSorted(),
    base64: Buffer.from(bytes).toString('base64'),
  }
}

/**
 * @param {import('protobufjs').Type} type
 * @param {Refer} refer
 * @returns {import('protobufjs/ext/descriptor.js').IDescriptorProto}
 */
function describeType(type, refer) {
  const { field = [], nestedType = [], ...described } = type.toDescriptor('proto3')
  /** @type {Map<string | undefined, { readonly name: string, readonly value: import('protobufjs').ReflectionObject | null }>} */
  const entries = new Map()
  for (const [i, of] of type.fieldsArray.entries()) {
    const to = field[i] ?? {}
    if (of instanceof MapField) {
      const name = `${pascalCase(of.name)}Entry`
      entries.set(to.typeName, { name, value: of.resolvedType })
      to.typeName = `${type.fullName}.${name}`
    } else if (of.resolvedType) to.typeName = refer(of.resolvedType)
  }
  const nested = type.nestedArray.filter((each) => each instanceof Type)
  const maps = nestedType.flatMap(({ name, field: [key, value] = [], ...rest }) => {
    const entry = entries.get(name)
    if (entry === undefined) return []
    const typeName = entry.value ? { typeName: refer(entry.value) } : {}
    return [{ ...rest, name: entry.name, field: [key ?? {}, { ...value, ...typeName }] }]
  })
  return { ...described, field, nestedType: [...nested.map((each) => describeType(each, refer)), ...maps] }
}

function pascalCase(/** @type {string} */ name) {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase())
}

/** @returns {import('protobufjs').ReflectionObject[]} */
function topLevel(/** @type {import('protobufjs').NamespaceBase} */ namespace) {
  return namespace.nestedArray.flatMap((each) => (each.constructor === Namespace ? topLevel(each) : [each]))
}

/** @returns {import('protobufjs').ReflectionObject} */
function outermost(/** @type {import('protobufjs').ReflectionObject} */ object) {
  return object.parent instanceof Type ? outermost(object.parent) : object
}

/** Google's own files are known to the library by what is in them. */
function nameOf(
  /** @type {import('protobufjs').ReflectionObject} */ { filename, name },
  /** @type {string} */ directory,
) {
  if (filename) return relative(directory, filename)
  const known = Object.entries(protobuf.common).find(
    ([, file]) => name in (file.nested?.google.nested.protobuf.nested ?? {}),
  )
  if (known === undefined) throw new Error(`${name} is in no file that is known`)
  return known[0]
}

/** @returns {string[]} */
function symbolsOf(/** @type {import('protobufjs').ReflectionObject} */ object) {
  const inner =
    object instanceof Service ? object.methodsArray : object instanceof Type ? object.nestedArray : []
  return [object.fullName.slice(1), ...inner.flatMap(symbolsOf)]
}
