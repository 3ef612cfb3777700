/** Whether two plain values (scalars, lists, bytes, and objects with named members only) have the same content. */
export function equalPlain(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b)
  if (a instanceof Uint8Array) return b instanceof Uint8Array && equalLists(a, b)
  if (Array.isArray(b) || b instanceof Uint8Array) return false
  return equalRecords(a, b)
}

function equalLists(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!equalPlain(a[i], b[i])) return false
  return true
}

function equalRecords(a: object, b: object): boolean {
  const inB = new Map(Object.entries(b))
  const inA = Object.entries(a)
  return (
    inA.length === inB.size && inA.every(([name, value]) => inB.has(name) && equalPlain(value, inB.get(name)))
  )
}
