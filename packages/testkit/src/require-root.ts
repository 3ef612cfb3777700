/**
 * Fails the test when it cannot do what it is there for; a run that says `ALLOW_SKIP=1` lets it be skipped.
 *
 * @returns Whether to go on: `if (!requireRoot()) return`, or `test.skipIf(!requireRoot())`.
 * @throws {Error} one line with what to do.
 */
export function requireRoot(): boolean {
  if (process.getuid?.() === 0) return true
  if (process.env['ALLOW_SKIP'] === '1') return false
  throw new Error(
    'Cannot test network namespaces without root: run it with sudo, or set ALLOW_SKIP=1 to leave it out',
  )
}
