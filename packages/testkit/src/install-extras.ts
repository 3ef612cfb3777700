import { spawn } from 'node:child_process'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..', '..')

/** Where the pinned Envoy is once `installExtras(['envoy'])` has returned. */
export const ENVOY: string = join(ROOT, '.toolchain', 'envoy', 'envoy')

/**
 * Installs what only some benches and tests run and the set-up of the project leaves out; what is there already costs nothing.
 *
 * @throws {Error} in one line; before it, the set-up has said in another what is to be done
 */
export async function installExtras(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const bootstrap = join(ROOT, 'tools', 'bootstrap', 'bootstrap.mjs')
  const child = spawn(process.execPath, [bootstrap, ...names], { stdio: ['ignore', 'ignore', 'inherit'] })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('exit', resolve)
  const code = await promise
  if (code !== 0) throw new Error(`Cannot install ${names.join(', ')}`)
}
