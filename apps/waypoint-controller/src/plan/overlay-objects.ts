import {
  fieldsOf,
  fieldsOfYaml,
  isRecord,
  type KubeObject,
  type Manifest,
  type ManifestMeta,
} from '@ambient/kube'
import { strategicMerge } from './strategic-merge.ts'
import type { WaypointObjects } from './waypoint-objects.ts'

/** The keys of a ConfigMap that changes what is deployed. */
const KEYS = [
  'deployment',
  'service',
  'serviceAccount',
  'horizontalPodAutoscaler',
  'podDisruptionBudget',
] as const
type OverlayKey = (typeof KEYS)[number]

/** An overlay that cannot be applied: nothing is deployed with only a part of what was asked for. */
export class OverlayError extends Error {}

/**
 * What is to be there once the overlays are laid over the waypoint, in the order in which it is written. An autoscaler
 * and a disruption budget are there only when an overlay speaks of them, and begin with what points them at the
 * Deployment. Pure.
 *
 * @param overlays Class defaults first.
 * @throws {OverlayError} naming ConfigMap and key: one that is unknown or no YAML, or a change of an object's identity.
 */
export function overlayObjects(
  objects: WaypointObjects,
  overlays: readonly KubeObject[],
): readonly Manifest[] {
  const parts: Record<OverlayKey, Manifest | undefined> = {
    ...objects,
    horizontalPodAutoscaler: undefined,
    podDisruptionBudget: undefined,
  }
  for (const overlay of overlays) {
    for (const [key, text] of Object.entries(dataOf(overlay))) {
      const part = KEYS.find((known) => known === key)
      const of = `ConfigMap ${overlay.metadata.namespace}/${overlay.metadata.name}, key "${key}"`
      if (part === undefined) throw new OverlayError(`${of}: none of ${KEYS.join(', ')}`)
      parts[part] = overlaid(of, parts[part] ?? skeleton(part, objects.deployment), text)
    }
  }
  return [
    parts.serviceAccount,
    parts.deployment,
    parts.service,
    parts.horizontalPodAutoscaler,
    parts.podDisruptionBudget,
  ].filter((object) => object !== undefined)
}

function dataOf(overlay: KubeObject): Readonly<Record<string, string>> {
  try {
    return fieldsOf(overlay).get('data').textMap()
  } catch (cause) {
    throw new OverlayError(`ConfigMap ${overlay.metadata.name}: data must be texts`, { cause })
  }
}

function overlaid(of: string, base: Manifest, text: string): Manifest {
  const merged = strategicMerge(base, patchOf(of, text))
  if (!isRecord(merged)) throw new OverlayError(`${of}: must be an object`)
  const metadata = isRecord(merged['metadata']) ? merged['metadata'] : {}
  const allowed = new Set(['labels', 'annotations'])
  const given = new Map<string, unknown>(Object.entries(base.metadata))
  for (const name of new Set([...Object.keys(metadata), ...given.keys()])) {
    if (allowed.has(name)) continue
    if (!isSame(metadata[name], given.get(name)))
      throw new OverlayError(`${of}: metadata.${name} must not be changed`)
  }
  for (const name of ['apiVersion', 'kind'] as const)
    if (merged[name] !== base[name]) throw new OverlayError(`${of}: ${name} must not be changed`)
  return {
    ...merged,
    apiVersion: base.apiVersion,
    kind: base.kind,
    metadata: { ...base.metadata, ...textsOf(of, metadata) },
  }
}

function patchOf(of: string, text: string): unknown {
  try {
    return fieldsOfYaml(of, text).record()
  } catch (cause) {
    throw new OverlayError(`${of}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function textsOf(of: string, metadata: Readonly<Record<string, unknown>>): Partial<ManifestMeta> {
  const read = (name: 'labels' | 'annotations'): Readonly<Record<string, string>> => {
    const value = metadata[name] ?? {}
    if (!isRecord(value)) throw new OverlayError(`${of}: metadata.${name} must be a map`)
    return Object.fromEntries(
      Object.entries(value).map(([key, text]) => {
        if (typeof text !== 'string') throw new OverlayError(`${of}: metadata.${name}.${key} must be a text`)
        return [key, text]
      }),
    )
  }
  return { labels: read('labels'), annotations: read('annotations') }
}

function skeleton(part: OverlayKey, deployment: Manifest): Manifest {
  const { apiVersion, kind, metadata } = deployment
  if (part === 'horizontalPodAutoscaler') {
    const scaleTargetRef = { apiVersion, kind, name: metadata.name }
    return {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata,
      spec: { scaleTargetRef },
    }
  }
  const spec = isRecord(deployment['spec']) ? deployment['spec'] : {}
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata,
    spec: { selector: spec['selector'] },
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
