import { LineCounter, parseDocument } from 'yaml'
import { Field, isRecord } from './field.ts'
import type { UnknownRecord } from './field.ts'
import { KubeError } from './kube-error.ts'
import { describeRef, readObject, readRef } from './kube-object.ts'
import type { ObjectRef } from './kube-object.ts'

export interface ManifestDocument {
  readonly ref: ObjectRef
  readonly value: UnknownRecord
  /** Line of the file its document begins at, from 1. */
  readonly line: number
}

/** Parsed documents by their text, so that one edited document of a large file costs one parse. */
export type DocumentCache = ReadonlyMap<string, readonly Omit<ManifestDocument, 'line'>[]>

export interface ManifestFile {
  readonly documents: readonly ManifestDocument[]
  readonly cache: DocumentCache
}

const UNSAVED = { uid: '-', creationTimestamp: '-', resourceVersion: '-', generation: 0 }

/**
 * Reads a file of one or many YAML or JSON documents; documents of kinds outside the table are left out,
 * and a `List` counts as its items.
 *
 * @param before What an earlier reading of this file gave, to spare parsing again what has not changed.
 * @throws {KubeError} `YAML_INVALID` or `OBJECT_INVALID`; the message has line and reason.
 */
export function readManifests(text: string, before?: DocumentCache): ManifestFile {
  const cache = new Map<string, readonly Omit<ManifestDocument, 'line'>[]>()
  const documents: ManifestDocument[] = []
  for (const { line, text: part } of splitDocuments(text)) {
    const parsed = before?.get(part) ?? parsePart(part, line)
    cache.set(part, parsed)
    for (const document of parsed) documents.push({ ...document, line })
  }
  return { documents, cache }
}

/** A line that begins with `---` always ends a document, even inside a block scalar. */
function splitDocuments(text: string): readonly { readonly line: number; readonly text: string }[] {
  const parts: { line: number; text: string }[] = []
  let line = 1
  for (const part of text.split(/^---(?=\s|$)/m)) {
    if (/^\s*[^\s#]/m.test(part)) parts.push({ line, text: part })
    line += part.split('\n').length - 1
  }
  return parts
}

function parsePart(text: string, line: number): readonly Omit<ManifestDocument, 'line'>[] {
  const value = parseValue(text, line)
  if (value === null || value === undefined) return []
  try {
    return objectsIn(value).flatMap((item) => {
      const ref = readRef(item)
      if (ref === undefined) return []
      readObject(item, UNSAVED) // so that a wrong label or owner is refused here, where file and line are known
      return [{ ref, value: item }]
    })
  } catch (cause) {
    if (!(cause instanceof KubeError)) throw cause
    throw new KubeError('OBJECT_INVALID', `line ${line}: ${cause.message}`, { cause })
  }
}

function objectsIn(value: unknown): readonly UnknownRecord[] {
  const document = new Field('document', value)
  const record = document.record()
  if (record['kind'] !== 'List') return [record]
  return document
    .get('items')
    .list()
    .map((item) => item.record())
}

function parseValue(text: string, firstLine: number): unknown {
  if (/^\s*\{/.test(text)) {
    const json = parseJson(text)
    if (isRecord(json)) return json
  }
  return parseYaml(text, firstLine)
}

/** @throws {KubeError} `YAML_INVALID`; the message has line and column. */
export function parseYaml(text: string, firstLine = 1): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new KubeError('YAML_INVALID', `line ${firstLine + line - 1}, column ${col}: ${error.message}`)
  }
  return document.toJS()
}

/** @returns undefined when it is no JSON: then it may still be YAML in flow style, which says where it is wrong. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `Pod shop/web (pods.yaml line 12)` */
export function describeDocument(document: ManifestDocument, file: string): string {
  return `${describeRef(document.ref)} (${file} line ${document.line})`
}
