/** `npm run sync [-- --check]`: references of the tsconfig files follow the dependencies in package.json. */
import { join } from 'node:path'
import { syncReferences } from './sync-references.ts'

const isCheck = process.argv.includes('--check')
const stale = syncReferences(join(import.meta.dirname, '..', '..'), isCheck ? 'check' : 'write')
for (const path of stale) {
  process.stdout.write(
    isCheck ? `${path} does not follow its package.json: run npm run sync\n` : `wrote ${path}\n`,
  )
}
process.exitCode = isCheck && stale.length > 0 ? 1 : 0
