import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Collects this process's own garbage now, which would otherwise be done, on every core, while something is measured. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (isCallback(collect)) collect()
}

function isCallback(value: unknown): value is () => void {
  return typeof value === 'function'
}
