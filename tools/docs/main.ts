/** `tools/node --conditions=@ambient/source tools/docs/main.ts [--check] [--into FOLDER]`: writes the generated pages, or only compares. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stalePages, writePages } from './pages.ts'

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, into: { type: 'string' } },
})
const folder = values.into ?? join(import.meta.dirname, '..', '..', 'docs')

if (values.check) {
  const stale = await stalePages(folder)
  for (const name of stale)
    process.stderr.write(`docs/${name} is not what the source says: run npm run docs\n`)
  process.exitCode = stale.length === 0 ? 0 : 1
} else {
  await writePages(folder)
}
