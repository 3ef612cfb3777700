/** Looks at every tracked file: names, hosts, paths of one machine, reasons of exceptions, shape of packages, lock file. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readProjects } from '../sync/project.ts'
import { checkFile, checkLock, checkProject, type TreeFile } from './tree-rules.ts'

const root = join(import.meta.dirname, '..', '..')
const files = trackedFiles()
const paths = new Set(files.map(({ path }) => path))
const lock = files.find(({ path }) => path === 'package-lock.json')?.text
const found = [
  ...files.flatMap(checkFile),
  ...readProjects(root).flatMap((project) => checkProject(project, paths)),
  ...(lock === undefined ? ['package-lock.json is missing'] : checkLock(lock)),
]
for (const line of found) process.stdout.write(`${line}\n`)
process.exitCode = found.length === 0 ? 0 : 1

function trackedFiles(): readonly TreeFile[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
  return listed
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(root, path)))
    .map((path) => ({ path, text: textOf(readFileSync(join(root, path))) }))
}

function textOf(bytes: Buffer): string | undefined {
  return bytes.includes(0) ? undefined : bytes.toString('utf8')
}
