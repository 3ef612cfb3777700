/** For the environment of a process that a test starts: the debug mode of memory, when the test itself is in it. */
export function debugMemory(): Readonly<Record<string, string>> {
  const value = process.env['AMBIENT_DEBUG_MEMORY']
  return value === undefined ? {} : { AMBIENT_DEBUG_MEMORY: value }
}
