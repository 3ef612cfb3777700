/** `npm run e2e [-- smoke | SUITE…]`: the mesh on a kind cluster of its own, installed by its chart. Ends with `N passed, N failed`. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorText } from '@ambient/lifecycle'
import { Cluster } from './cluster.ts'
import { countResults } from '../../tools/test/count-results.ts'
import { collect } from './collect.ts'
import { installMesh, NAMESPACE } from './install.ts'
import { createKind, deleteKind, loadImages } from './kind.ts'
import { chooseSuites } from './suites.ts'
import { findTools } from './tools.ts'

const root = join(import.meta.dirname, '..', '..')
const NAME = process.env['E2E_CLUSTER_NAME'] ?? 'ambient-e2e'
const TAG = 'e2e'
const HUB = 'ambient'
const started = performance.now()

process.exitCode = await main(process.argv.slice(2))

async function main(names: readonly string[]): Promise<number> {
  try {
    return await run(names)
  } catch (cause) {
    say(errorText(cause))
    process.stdout.write('0 passed, 1 failed\n')
    return 1
  }
}

async function run(names: readonly string[]): Promise<number> {
  const suites = chooseSuites(names)
  const tools = findTools(root, process.env)
  process.env['PATH'] = tools.path
  const scratch = mkdtempSync(join(tmpdir(), 'ambient-e2e-'))
  const isExisting = process.env['E2E_CLUSTER'] === 'existing'
  const kubeconfig = isExisting ? (process.env['KUBECONFIG'] ?? '') : join(scratch, 'kubeconfig')
  if (isExisting && !existsSync(kubeconfig))
    throw new Error('E2E_CLUSTER=existing needs KUBECONFIG to name a file')
  const cluster = new Cluster({ kubeconfig, path: tools.path })
  try {
    await step('images', () => buildImages())
    if (!isExisting) {
      await step('cluster', () => createKind(cluster, { name: NAME, nodeImage: tools.nodeImage, kubeconfig }))
      await step('images into the nodes', () => loadImages(cluster, NAME, { hub: HUB, tag: TAG }))
    }
    await step('chart', () => installMesh(cluster, root, { hub: HUB, tag: TAG }))
    const result = runSuites(suites, { kubeconfig, path: tools.path, scratch })
    if (result.failed > 0) await collect(cluster, join(root, 'node_modules/.e2e'), NAMESPACE, say)
    process.stdout.write(`${result.passed} passed, ${result.failed} failed\n`)
    return result.failed === 0 && result.passed > 0 ? 0 : 1
  } catch (cause) {
    await collect(cluster, join(root, 'node_modules/.e2e'), NAMESPACE, say)
    throw cause
  } finally {
    if (!isExisting && process.env['E2E_KEEP'] !== '1')
      await step('the end of the cluster', () => deleteKind(cluster, NAME))
    else say(`the cluster stays: export KUBECONFIG=${kubeconfig}`)
    if (process.env['E2E_KEEP'] !== '1') rmSync(scratch, { recursive: true, force: true })
  }
}

function buildImages(): void {
  const { status } = spawnSync(
    process.execPath,
    [...process.execArgv, join(root, 'tools/images/main.ts'), '--hub', HUB, '--tag', TAG],
    { stdio: 'inherit', env: { ...process.env, DOCKER_BUILDKIT: process.env['DOCKER_BUILDKIT'] ?? '0' } },
  )
  if (status !== 0) throw new Error('the images could not be built')
}

interface SuiteResult {
  readonly passed: number
  readonly failed: number
}

function runSuites(
  files: readonly string[],
  { kubeconfig, path, scratch }: { kubeconfig: string; path: string; scratch: string },
): SuiteResult {
  const report = join(scratch, 'report.json')
  mkdirSync(join(root, 'node_modules/.e2e'), { recursive: true })
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
      ...files,
    ],
    {
      stdio: 'inherit',
      cwd: join(root, 'e2e'),
      env: { ...process.env, PATH: path, KUBECONFIG: kubeconfig, E2E_ROOT: root },
    },
  )
  if (!existsSync(report)) return { passed: 0, failed: 1 }
  const text = readFileSync(report, 'utf8')
  writeFileSync(join(root, 'node_modules/.e2e/report.json'), text)
  const counted = countResults(text, { exitCode: status ?? 1, allowSkip: false })
  for (const reason of counted.reasons) say(reason)
  return counted
}

async function step(name: string, act: () => Promise<void> | void): Promise<void> {
  const fromMs = performance.now()
  say(`${name} …`)
  await act()
  const now = performance.now()
  say(`${name}: ${((now - fromMs) / 1000).toFixed(0)} s (${((now - started) / 1000).toFixed(0)} s in all)`)
}

function say(text: string): void {
  process.stderr.write(`e2e: ${text}\n`)
}
