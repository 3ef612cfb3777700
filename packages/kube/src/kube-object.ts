import { Field } from './field.ts'
import type { UnknownRecord } from './field.ts'
import { KubeError } from './kube-error.ts'
import { kindOf, resourceKinds } from './resource-kinds.ts'
import type { KindName } from './resource-kinds.ts'

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: boolean
}

export interface ObjectMeta {
  readonly name: string
  /** Absent for kinds that belong to no namespace. */
  readonly namespace?: string
  readonly generateName?: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Opaque: equal exactly when the object is unchanged. */
  readonly resourceVersion: string
  /** Differs whenever the spec differs; compare for equality only. */
  readonly generation: number
  /** RFC 3339. */
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly ownerReferences: readonly OwnerReference[]
}

/** One object as the API holds it; everything beyond the metadata is unknown until a reader has looked. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: KindName
  readonly metadata: ObjectMeta
  readonly spec?: unknown
  readonly status?: unknown
  readonly data?: unknown
  readonly [field: string]: unknown
}

/** Names one object. With `uid`, only that incarnation of it is meant. */
export interface ObjectRef {
  readonly kind: KindName
  readonly namespace?: string
  readonly name: string
  readonly uid?: string
}

/** What the place an object came from adds when the object itself does not say it. */
export interface ObjectIdentity {
  readonly uid: string
  readonly creationTimestamp: string
  readonly resourceVersion: string
  readonly generation: number
}

/** `namespace/name`, or `name` for kinds that belong to no namespace. */
export function objectKey(of: { readonly namespace?: string; readonly name: string }): string {
  return of.namespace === undefined ? of.name : `${of.namespace}/${of.name}`
}

export function refOf(object: KubeObject): ObjectRef & { readonly uid: string } {
  const { namespace, name, uid } = object.metadata
  return { kind: object.kind, ...(namespace === undefined ? {} : { namespace }), name, uid }
}

/** `Pod shop/web`: how messages name an object. */
export function describeRef(ref: ObjectRef): string {
  return `${ref.kind} ${objectKey(ref)}`
}

/** A reader of the whole object, whose errors name it. */
export function fieldsOf(object: KubeObject): Field {
  return new Field(describeRef(refOf(object)), object)
}

/** Which object `value` is about, or undefined when it is of a kind outside the table. */
export function readRef(value: UnknownRecord): ObjectRef | undefined {
  const top = new Field('object', value)
  const kind = kindOf(top.get('apiVersion').requiredText(), top.get('kind').requiredText())
  if (kind === undefined) return undefined
  const name = new Field(kind, value).get('metadata').get('name').requiredText()
  const metadata = new Field(`${kind} ${name}`, value).get('metadata')
  if (!/^[A-Za-z0-9:._-]{1,253}$/.test(name)) throw metadata.get('name').invalid('is no name of an object')
  if (!resourceKinds[kind].namespaced) return { kind, name }
  const namespace = metadata.get('namespace').text() ?? 'default'
  if (!/^[a-z0-9-]{1,63}$/.test(namespace))
    throw metadata.get('namespace').invalid('is no name of a namespace')
  return { kind, namespace, name }
}

/**
 * The typed form of an object.
 *
 * @param identity Fills in what the object does not say; without it, everything must be there.
 * @throws {KubeError} `OBJECT_INVALID` naming object and field.
 */
export function readObject(value: UnknownRecord, identity?: ObjectIdentity): KubeObject {
  const ref = readRef(value)
  if (ref === undefined) {
    throw new KubeError(
      'OBJECT_INVALID',
      `Cannot read object: its kind is not in the table: ${JSON.stringify(value['kind'])}`,
    )
  }
  const top = new Field(describeRef(ref), value)
  return {
    ...value,
    apiVersion: top.get('apiVersion').requiredText(),
    kind: ref.kind,
    metadata: { ...readNames(top.get('metadata'), ref), ...readIdentity(top.get('metadata'), identity) },
  }
}

function readNames(metadata: Field, ref: ObjectRef): Omit<ObjectMeta, keyof ObjectIdentity> {
  const generateName = metadata.get('generateName').text()
  const deletionTimestamp = metadata.get('deletionTimestamp').text()
  return {
    name: ref.name,
    ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
    ...(generateName === undefined ? {} : { generateName }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    labels: metadata.get('labels').textMap(),
    annotations: metadata.get('annotations').textMap(),
    ownerReferences: metadata.get('ownerReferences').list().map(readOwner),
  }
}

function readIdentity(metadata: Field, known: ObjectIdentity | undefined): ObjectIdentity {
  const uid = metadata.get('uid')
  const creationTimestamp = metadata.get('creationTimestamp')
  return {
    uid: uid.text() ?? known?.uid ?? uid.requiredText(),
    creationTimestamp:
      creationTimestamp.text() ?? known?.creationTimestamp ?? creationTimestamp.requiredText(),
    resourceVersion: known?.resourceVersion ?? metadata.get('resourceVersion').requiredText(),
    generation: known?.generation ?? metadata.get('generation').integer() ?? 0,
  }
}

function readOwner(field: Field): OwnerReference {
  return {
    apiVersion: field.get('apiVersion').text() ?? '',
    kind: field.get('kind').requiredText(),
    name: field.get('name').requiredText(),
    uid: field.get('uid').text() ?? '',
    controller: field.get('controller').boolean() ?? false,
  }
}
