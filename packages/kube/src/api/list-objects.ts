import { readObject } from '../kube-object.ts'
import type { KubeObject } from '../kube-object.ts'
import { Field, type UnknownRecord } from '../field.ts'
import { KUBE_LIMITS } from '../limits.ts'
import { apiVersionOf, type KindName } from '../resource-kinds.ts'
import type { ListOptions } from '../resource-source.ts'
import { type ApiClient, ApiError, metadataOf } from './api-client.ts'
import { collectionPath, selectorQuery } from './api-paths.ts'
import { dropUnread } from './drop-unread.ts'

export interface Listing {
  readonly objects: readonly KubeObject[]
  /** Where a watch goes on from. */
  readonly resourceVersion: string
}

/**
 * Everything of one kind, page by page. When the API server forgets the list between two pages, it is begun again.
 *
 * @throws {ApiError} `OBJECT_NOT_FOUND` when the API server does not have this kind.
 */
export async function listObjects(
  client: ApiClient,
  kind: KindName,
  options: ListOptions,
  signal?: AbortSignal,
): Promise<Listing> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listPages(client, kind, options, signal)
    } catch (cause) {
      const isStale = cause instanceof ApiError && cause.code === 'API_EXPIRED'
      if (!isStale || attempt >= KUBE_LIMITS.apiAttempts.value) throw cause
    }
  }
}

async function listPages(
  client: ApiClient,
  kind: KindName,
  options: ListOptions,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  const objects: KubeObject[] = []
  const path = collectionPath(kind, options.namespace)
  for (let next = ''; ;) {
    const query = {
      ...selectorQuery(options),
      limit: String(KUBE_LIMITS.listPage.value),
      ...(next === '' ? {} : { continue: next }),
    }
    const page = await client.send({ method: 'GET', path, query }, signal)
    for (const item of new Field(`list of ${kind}`, page).get('items').list())
      objects.push(readItem(item.record(), kind))
    const metadata = metadataOf(page)
    next = metadata.get('continue').text() ?? ''
    if (next === '') return { objects, resourceVersion: metadata.get('resourceVersion').text() ?? '' }
  }
}

/**
 * An object as the API server sends it. Items of a list say neither kind nor version. What is of no use to us is
 * dropped.
 *
 * @throws {KubeError} `OBJECT_INVALID`
 */
export function readItem(item: UnknownRecord, kind: KindName): KubeObject {
  return readObject({ apiVersion: apiVersionOf(kind), kind, ...dropUnread(kind, item) })
}
