import { equalPlain } from '@ambient/collections'
import {
  Field,
  isRecord,
  KubeError,
  type KubeObject,
  kindOf,
  readObject,
  type UnknownRecord,
} from '@ambient/kube'
import type { MeshOptions } from '../translate/mesh-options.ts'
import { judgeObject } from './judge-object.ts'

/** The API server's question: may this object be kept? */
export interface Review {
  readonly uid: string
  readonly group: string
  readonly version: string
  /** `authorizationpolicies` */
  readonly resource: string
  /** What is to be kept; undefined for what is not ours to judge. */
  readonly object: UnknownRecord | undefined
  /** What is kept now, if this is a change. */
  readonly before: UnknownRecord | undefined
}

export interface Verdict {
  /** Why the object is refused; undefined lets it pass. */
  readonly problem: string | undefined
  readonly warnings: readonly string[]
}

const API_VERSION = 'admission.k8s.io/v1'
const KIND = 'AdmissionReview'
/** More than this the API server cuts off. */
const MAX_WARNING = 256
const MAX_WARNINGS = 16
/** What a new object lacks until it is kept. */
const NOT_KEPT_YET = {
  uid: 'new',
  resourceVersion: 'new',
  creationTimestamp: '1970-01-01T00:00:00Z',
  generation: 1,
}
const PASSED: Verdict = { problem: undefined, warnings: [] }

/** @throws {KubeError} `OBJECT_INVALID` for what is no AdmissionReview of v1. */
export function readReview(value: UnknownRecord): Review {
  const top = new Field(KIND, value)
  if (top.get('apiVersion').text() !== API_VERSION || top.get('kind').text() !== KIND)
    throw top.get('apiVersion').invalid(`must be ${API_VERSION}, and kind ${KIND}`)
  const request = top.get('request')
  const operation = request.get('operation').requiredText()
  const isJudged = operation === 'CREATE' || operation === 'UPDATE'
  return {
    uid: request.get('uid').requiredText(),
    group: request.get('resource').get('group').text() ?? '',
    version: request.get('resource').get('version').text() ?? '',
    resource: request.get('resource').get('resource').text() ?? '',
    object: isJudged ? request.get('object').record() : undefined,
    before: operation === 'UPDATE' ? request.get('oldObject').record() : undefined,
  }
}

/** Whether the object may be kept, and what to tell who wrote it. Pure. */
export function decideReview(review: Review, mesh: MeshOptions): Verdict {
  try {
    return decide(review, mesh)
  } catch (cause) {
    if (cause instanceof KubeError) return { problem: cause.message, warnings: [] }
    throw cause
  }
}

function decide({ object, before }: Review, mesh: MeshOptions): Verdict {
  const kept = object === undefined ? undefined : keptAs(object)
  // One that is being deleted must be able to lose its finalizers, whatever it says.
  if (kept === undefined || kept.metadata.deletionTimestamp !== undefined) return PASSED
  const { problem, warnings } = judgeObject(kept, mesh)
  if (problem === undefined || before === undefined || !equalPlain(before['spec'], kept.spec))
    return { problem, warnings }
  // It was like this before this istiod came, so its labels and annotations may be changed.
  return { problem: undefined, warnings: [problem, ...warnings] }
}

/** The answer to a review, as the API server reads it. */
export function reviewAnswer({ uid }: Review, { problem, warnings }: Verdict): object {
  const told = warnings.slice(0, MAX_WARNINGS).map((text) => text.slice(0, MAX_WARNING))
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    response: {
      uid,
      allowed: problem === undefined,
      ...(problem === undefined ? {} : { status: { code: 422, reason: 'Invalid', message: problem } }),
      ...(told.length === 0 ? {} : { warnings: told }),
    },
  }
}

/** The object as it would be read; undefined for a kind that the mesh does not know. @throws {KubeError} */
function keptAs(object: UnknownRecord): KubeObject | undefined {
  const { apiVersion, kind, metadata } = object
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || kindOf(apiVersion, kind) === undefined)
    return undefined
  const named = isRecord(metadata) ? metadata : {}
  // A name that the API server makes up is not there yet.
  return readObject({ ...object, metadata: { name: named['generateName'], ...named } }, NOT_KEPT_YET)
}
