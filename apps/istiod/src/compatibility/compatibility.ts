import type { KindName } from '@ambient/kube'

/** How one field, label or annotation of an object is treated. */
export type CompatibilityRow =
  /** `test` shows it: `FILE › TITLE`. */
  | { readonly status: 'supported'; readonly test: string; readonly note: string }
  /** It says something that is not done; who sets it is told so. Values in `harmless` ask for nothing. */
  | { readonly status: 'ignored'; readonly because: string; readonly harmless: readonly unknown[] }
  /** The cluster does it as it would without a mesh. */
  | { readonly status: 'untouched'; readonly because: string }

type Rows = Readonly<Record<string, CompatibilityRow>>

/** All of one kind of object that means something to a mesh. */
export interface CompatibilityTable {
  readonly kind: KindName
  /** Heading of its part of the page. */
  readonly title: string
  /** Whether a field that is in no row of `fields` is a mistake worth a warning: so for the mesh's own kinds. */
  readonly isWhole: boolean
  /** By path: `spec.ports[].name`. A row is for everything below it too. */
  readonly fields: Rows
  readonly labels: Rows
  readonly annotations: Rows
}

export function defineCompatibility(
  table: Pick<CompatibilityTable, 'kind'> & Partial<CompatibilityTable>,
): CompatibilityTable {
  return { title: table.kind, isWhole: false, fields: {}, labels: {}, annotations: {}, ...table }
}

export function supported(test: string, note = ''): CompatibilityRow {
  return { status: 'supported', test, note }
}

export function ignored(because: string, harmless: readonly unknown[] = []): CompatibilityRow {
  return { status: 'ignored', because, harmless }
}

export function untouched(because: string): CompatibilityRow {
  return { status: 'untouched', because }
}

/** The golden case whose input has the field, and whose output shows what becomes of it. */
export function golden(name: string, note = ''): CompatibilityRow {
  const file = 'apps/istiod/src/translate/goldens.test.ts'
  return supported(`${file} › meshState() turns ${name}.in.yaml into ${name}.out.yaml`, note)
}
