/** `npm run e2e [-- [--where-possible] smoke | SUITE…]`: the mesh on a kind cluster of its own, installed by its chart. Ends with `N passed, N failed`. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { errorText } from '@ambient/lifecycle'
import { Cluster } from './cluster.ts'
import { countResults } from '../../tools/test/count-results.ts'
import { collect } from './collect.ts'
import { installMesh, NAMESPACE, restartMesh } from './install.ts'
import { createKind, deleteKind, hasKind, loadImages } from './kind.ts'
import { buildImages } from './mesh-images.ts'
import { say, step } from './progress.ts'
import { chooseSuites, needsCluster } from './suites.ts'
import { type ClusterTools, findTools, whatIsMissing } from './tools.ts'

const root = join(import.meta.dirname, '..', '..')
const NAME = process.env['E2E_CLUSTER_NAME'] ?? 'ambient-e2e'
const isKept = process.env['E2E_KEEP'] === '1'
const IMAGES = { hub: 'ambient', tag: 'e2e' }

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const { positionals, values } = parseArgs({
      args: [...args],
      options: { 'where-possible': { type: 'boolean', default: false } },
      allowPositionals: true,
    })
    const missing = values['where-possible'] ? whatIsMissing(root, process.env['PATH'] ?? '') : undefined
    return missing === undefined ? await run(positionals) : notRun(missing)
  } catch (cause) {
    say(errorText(cause))
    process.stdout.write('0 passed, 1 failed\n')
    return 1
  }
}

/** For CI: a machine that can have no cluster shows nothing, neither good nor bad. */
function notRun(missing: string): number {
  say(`NOT RUN on this machine: ${missing}`)
  process.stdout.write('0 passed, 0 failed\n')
  return 0
}

async function run(names: readonly string[]): Promise<number> {
  const suites = chooseSuites(names)
  const tools = findTools(root, process.env)
  process.env['PATH'] = tools.path
  const scratch = mkdtempSync(join(tmpdir(), 'ambient-e2e-'))
  try {
    // Told when the cluster is gone: CI reads the count in the last line.
    return told(
      needsCluster(names)
        ? await runOnCluster(suites, tools, scratch)
        : runSuites(suites, { kubeconfig: '', path: tools.path, scratch }),
    )
  } finally {
    if (!isKept) rmSync(scratch, { recursive: true, force: true })
  }
}

async function runOnCluster(
  suites: readonly string[],
  { path, nodeImage }: ClusterTools,
  scratch: string,
): Promise<SuiteResult> {
  const isExisting = process.env['E2E_CLUSTER'] === 'existing'
  const kubeconfig = isExisting ? (process.env['KUBECONFIG'] ?? '') : join(scratch, 'kubeconfig')
  if (isExisting && !existsSync(kubeconfig))
    throw new Error('E2E_CLUSTER=existing needs KUBECONFIG to name a file')
  const cluster = new Cluster({ kubeconfig, path })
  try {
    await step('images', () => buildImages(root, IMAGES))
    if (!isExisting) {
      await step('cluster', () => createKind(cluster, { name: NAME, nodeImage, kubeconfig }))
    }
    if (await hasKind(cluster, NAME))
      await step('images into the nodes', () => loadImages(cluster, NAME, IMAGES))
    await step('chart', () => installMesh(cluster, root, IMAGES))
    // The tag is the same as the last time: pods that run there are of the images of that time.
    if (isExisting) await step('pods of the new images', () => restartMesh(cluster))
    const result = runSuites(suites, { kubeconfig, path, scratch })
    if (result.failed > 0) await collect(cluster, join(root, 'node_modules/.e2e'), NAMESPACE, say)
    return result
  } catch (cause) {
    await collect(cluster, join(root, 'node_modules/.e2e'), NAMESPACE, say)
    throw cause
  } finally {
    if (isExisting || isKept) say(`the cluster stays: export KUBECONFIG=${kubeconfig}`)
    else await step('the end of the cluster', () => deleteKind(cluster, NAME))
  }
}

/** The count, always the last line, and the status that goes with it. */
function told({ passed, failed }: SuiteResult): number {
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  return failed === 0 && passed > 0 ? 0 : 1
}

interface SuitePlace {
  readonly kubeconfig: string
  readonly path: string
  readonly scratch: string
}

interface SuiteResult {
  readonly passed: number
  readonly failed: number
}

/** One after the other, since each changes the cluster. */
function runSuites(files: readonly string[], place: SuitePlace): SuiteResult {
  mkdirSync(join(root, 'node_modules/.e2e'), { recursive: true })
  const results = files.map((file) => runSuite(file, place))
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
  }
}

function runSuite(file: string, { kubeconfig, path, scratch }: SuitePlace): SuiteResult {
  const name = basename(file, '.suite.ts')
  const report = join(scratch, `${name}.json`)
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--config',
      join(root, 'e2e/cluster/vitest.config.ts'),
      '--reporter=verbose',
      '--reporter=json',
      `--outputFile.json=${report}`,
      file,
    ],
    {
      stdio: 'inherit',
      cwd: join(root, 'e2e'),
      env: { ...process.env, PATH: path, KUBECONFIG: kubeconfig, E2E_ROOT: root, E2E_CLUSTER_NAME: NAME },
    },
  )
  if (!existsSync(report)) return { passed: 0, failed: 1 }
  const text = readFileSync(report, 'utf8')
  writeFileSync(join(root, `node_modules/.e2e/${name}.json`), text)
  const counted = countResults(text, { exitCode: status ?? 1, allowSkip: false })
  for (const reason of counted.reasons) say(reason)
  say(`${name}: ${counted.passed} passed, ${counted.failed} failed`)
  return counted
}
