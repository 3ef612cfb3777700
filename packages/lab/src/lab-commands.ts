import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileResources, readPod } from '@ambient/kube'
import type { KubeObject } from '@ambient/kube'
import { systemClock } from '@ambient/lifecycle'
import { LabError } from './lab-error.ts'
import { holderOf, labDirectory, liveLabs, removeLeftovers, tracesOf } from './lab-state.ts'
import type { LabId, LabRecord } from './lab-state.ts'
import { ManifestStore } from './manifest-store.ts'
import { podOfApp } from './mesh-apps.ts'
import { commandEnvironment, exitStatus, isGone } from './run-command.ts'
import { waitFor } from './wait-for.ts'

const DOWN_DEADLINE_MS = 30_000

/** The newest lab that is up. @throws {LabError} `NOT_FOUND` with what to run */
export function currentLab(): LabRecord {
  const [lab] = liveLabs().filter(({ isReady }) => isReady)
  if (lab === undefined) throw new LabError('NOT_FOUND', 'No lab is up, start one with: npm run lab -- up')
  return lab
}

/** One line a pod, as `kubectl get pods -A -o wide` has it. */
export async function listPods(lab: LabRecord): Promise<string> {
  await using resources = await openConfig(lab)
  const pods = await resources.list('Pod')
  const rows = pods.map(podRow).toSorted((a, b) => (a.join(' ') < b.join(' ') ? -1 : 1))
  return table([['POD', 'READY', 'PHASE', 'NODE', 'IP', 'MESH'], ...rows])
}

/** Runs a program in a pod or on a node, on this terminal. @returns its exit status */
export function execIn(lab: LabRecord, name: string, argv: readonly string[]): number {
  const pid = lab.namespaces[name]
  if (pid === undefined) {
    throw new LabError(
      'NOT_FOUND',
      `There is no ${name} in this lab, take one of: ${Object.keys(lab.namespaces).toSorted().join(' ')}`,
    )
  }
  const entry = ['--target', `${pid}`, '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--']
  const env = commandEnvironment({ TERM: 'xterm', PS1: `${name} # ` })
  const { status, signal } = spawnSync('nsenter', [...entry, ...(argv.length === 0 ? ['sh'] : argv)], {
    stdio: 'inherit',
    env,
  })
  return exitStatus(status, signal)
}

/** All that an app (`ztunnel@node1`) or a pod (`shop/web`) has said. @throws {LabError} `NOT_FOUND` */
export function readLogs(lab: LabRecord, name: string): string {
  const app = podOfApp(name)
  const prefix = app === undefined ? `${name.replace('/', '.')}.` : `istio-system.${app}.`
  const directory = join(labDirectory(lab.id), 'logs')
  const files = readdirSync(directory)
    .filter((file) => file.startsWith(prefix))
    .toSorted()
  if (files.length === 0)
    throw new LabError(
      'NOT_FOUND',
      `Nothing named ${name} has said anything in this lab; see: npm run lab -- ps`,
    )
  return files.map((file) => readFileSync(join(directory, file), 'utf8')).join('')
}

/** Applies a file of YAML. @returns what it held */
export function applyFile(lab: LabRecord, file: string): readonly string[] {
  if (!existsSync(file)) throw new LabError('NOT_FOUND', `There is no file ${file}`)
  const nodes = Object.keys(lab.namespaces).filter((name) => /^node\d+$/.test(name))
  const store = new ManifestStore({
    directory: configOf(lab.id),
    nodes,
    families: lab.families,
    clock: systemClock,
  })
  return store.apply(readFileSync(file, 'utf8')).map(({ kind, name }) => `${kind} ${name} applied`)
}

/** Takes every lab down that is up or was left by a crash. @returns a line for each */
export async function takeDown(): Promise<readonly string[]> {
  const labs = liveLabs()
  for (const { id } of labs) await stopHolder(id)
  const left = await removeLeftovers()
  return [...labs.map(({ id }) => `Lab ${id} is down`), ...left.map((id) => `Removed what lab ${id} left`)]
}

async function stopHolder(id: LabId): Promise<void> {
  const holder = holderOf(id)
  if (holder === undefined) return
  try {
    process.kill(holder, 'SIGTERM')
  } catch (cause) {
    if (!isGone(cause)) throw cause
  }
  await waitFor(
    `lab ${id} to go down`,
    () => holderOf(id) === undefined && tracesOf(id).length === 0,
    DOWN_DEADLINE_MS,
  )
}

function openConfig(lab: LabRecord): Promise<FileResources> {
  return FileResources.open({ directory: configOf(lab.id), clock: systemClock, report: () => {} })
}

function configOf(id: LabId): string {
  return join(labDirectory(id), 'config')
}

function podRow(pod: KubeObject): readonly string[] {
  const { isReady, phase, nodeName, podIps } = readPod(pod)
  const mesh = pod.metadata.annotations['ambient.istio.io/redirection'] ?? '-'
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`
  return [name, isReady ? 'yes' : 'no', phase, nodeName ?? '-', podIps.join(',') || '-', mesh]
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
