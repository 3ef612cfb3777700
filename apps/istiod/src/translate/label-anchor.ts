type Labels = Readonly<Record<string, string>>

/**
 * Index groups that bring selectors and what they select together without comparing each with each: a selector stands
 * under one of its labels, and whoever has labels looks under each of them.
 */
export function anchorOf(scope: string, selector: Labels): string {
  const [first] = Object.entries(selector).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return first === undefined ? `${scope}|` : `${scope}|${first[0]}=${first[1]}`
}

/** Every group in which a selector that takes these labels may stand. */
export function anchorsFor(scope: string, labels: Labels): readonly string[] {
  return [`${scope}|`, ...Object.entries(labels).map(([name, value]) => `${scope}|${name}=${value}`)]
}
