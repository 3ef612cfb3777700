// Generates packages/xds-proto/src/generated from proto/: static protobufjs code and its types, and what the files say
// of themselves, for reflection. Runs on the pinned Node.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeProtos } from './describe-protos.mjs'

const root = join(import.meta.dirname, '..', '..')
const out = join(root, 'packages/xds-proto/src/generated')
/** @param {string} name */
const bin = (name) => join(root, 'node_modules/protobufjs-cli/bin', name)
/** @param {readonly string[]} args */
const run = (args) =>
  execFileSync(process.execPath, args, { cwd: join(root, 'proto'), stdio: ['ignore', 'ignore', 'inherit'] })

const protos = readdirSync(join(root, 'proto'))
  .filter((name) => name.endsWith('.proto'))
  .toSorted()
const flags = [
  '--target',
  'static-module',
  '--wrap',
  'es6',
  '--force-number',
  '--no-verify',
  '--no-delimited',
  '--no-service',
  '--no-create',
]
// Written aside and moved, so that an interrupted run leaves no half of a file.
const fresh = `${out}.${process.pid}`
mkdirSync(fresh, { recursive: true })
run([bin('pbjs'), ...flags, '--path', '.', '--out', join(fresh, 'messages.js'), ...protos])
run([bin('pbts'), '--out', join(fresh, 'messages.d.ts'), join(fresh, 'messages.js')])
writeFileSync(
  join(fresh, 'descriptors.js'),
  `export const protoFiles = ${JSON.stringify(await describeProtos(join(root, 'proto'), protos), undefined, 2)}\n`,
)
writeFileSync(
  join(fresh, 'descriptors.d.ts'),
  `export declare const protoFiles: readonly {
  readonly name: string
  readonly imports: readonly string[]
  readonly symbols: readonly string[]
  readonly base64: string
}[]\n`,
)
rmSync(out, { recursive: true, force: true })
renameSync(fresh, out)
