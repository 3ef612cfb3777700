import { spawn } from 'node:child_process'
import { join } from 'node:path'

const BOOTSTRAP = join(import.meta.dirname, '..', 'bootstrap', 'bootstrap.mjs')

/**
 * Installs what contestants run and the set-up of the project leaves out; what is there already costs nothing.
 *
 * @throws {Error} in one line; before it, the set-up has said in another what is to be done
 */
export async function installExtras(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const child = spawn(process.execPath, [BOOTSTRAP, ...names], { stdio: ['ignore', 'ignore', 'inherit'] })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.once('error', reject)
  child.once('exit', resolve)
  const code = await promise
  if (code !== 0)
    throw new Error(`cannot install ${names.join(', ')}; choose contestants that need none of them by --only`)
}
