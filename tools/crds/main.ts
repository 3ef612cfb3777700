/** `tools/node --conditions=@ambient/source tools/crds/main.ts [--check]`: writes the chart's custom resource definitions, or only compares. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeCrds } from './make-crds.ts'

const file = join(import.meta.dirname, '../../charts/ambient/charts/base/templates/crds.yaml')
if (!process.argv.includes('--check')) writeFileSync(file, makeCrds())
else if (readFileSync(file, 'utf8') !== makeCrds()) {
  process.stderr.write(`charts: crds.yaml is not what the schemas say: run npm run docs\n`)
  process.exitCode = 1
}
