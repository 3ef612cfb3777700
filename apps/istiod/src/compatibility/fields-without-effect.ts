import { isRecord, type KubeObject } from '@ambient/kube'
import type { CompatibilityRow, CompatibilityTable } from './compatibility.ts'

/** A field, label or annotation that is set and has no effect, and why. */
export interface FieldWithoutEffect {
  /** `spec.exportTo`, `label istio.io/x` */
  readonly place: string
  readonly because: string
}

/** What an object says that nobody does. Pure. */
export function fieldsWithoutEffect(
  object: KubeObject,
  table: CompatibilityTable,
): readonly FieldWithoutEffect[] {
  const { labels, annotations } = object.metadata
  const paths = [...pathsOf(object['spec'], 'spec', table.fields)]
  return [
    ...paths.flatMap(({ path, value }) => {
      const row = table.fields[path]
      if (row !== undefined) return judge(path, row, value)
      return table.isWhole ? [{ place: path, because: `no ${table.kind} has such a field` }] : []
    }),
    ...Object.entries(table.labels).flatMap(([name, row]) => judge(`label ${name}`, row, labels[name])),
    ...Object.entries(table.annotations).flatMap(([name, row]) =>
      judge(`annotation ${name}`, row, annotations[name]),
    ),
  ]
}

function judge(place: string, row: CompatibilityRow, value: unknown): readonly FieldWithoutEffect[] {
  if (value === undefined || value === null || row.status !== 'ignored') return []
  return row.harmless.includes(value) ? [] : [{ place, because: row.because }]
}

/** What a settings file says that nobody does; what is in no row is somebody else's. Pure. */
export function settingsWithoutEffect(
  settings: unknown,
  rows: CompatibilityTable['fields'],
): readonly FieldWithoutEffect[] {
  return [...pathsOf(settings, '', rows)].flatMap(({ path, value }) => {
    const row = rows[path]
    return row === undefined ? [] : judge(path, row, value)
  })
}

/** Each place that is a row, or that no row is below: once, however often it comes. */
function pathsOf(
  value: unknown,
  path: string,
  rows: CompatibilityTable['fields'],
): Iterable<{ readonly path: string; readonly value: unknown }> {
  const found = new Map<string, { readonly path: string; readonly value: unknown }>()
  const visit = (at: unknown, where: string): void => {
    const isInside =
      where === '' ||
      Object.keys(rows).some((row) => row.startsWith(`${where}.`) || row.startsWith(`${where}[]`))
    if (rows[where] !== undefined || !isInside) {
      if (at !== undefined && at !== null) found.set(where, { path: where, value: at })
    } else if (Array.isArray(at)) at.forEach((item: unknown) => visit(item, `${where}[]`))
    else if (isRecord(at))
      for (const [name, below] of Object.entries(at)) visit(below, where === '' ? name : `${where}.${name}`)
  }
  visit(value, path)
  return found.values()
}
