import { type Lab, waitFor } from '@ambient/lab'
import { systemClock } from '@ambient/lifecycle'
import { stringify } from 'yaml'
import type { BenchCase, Measured } from './bench-case.ts'

const CROWD = 200
const TRIES = 10
const LABEL = 'istio.io/dataplane-mode'
const READY_MS = 240_000
/** Pods made at a time: each is a dozen programs, and a machine with hundreds of those to run has no time for any. */
const BATCH = 10
const ENROLLED_MS = 480_000

export const enrol: BenchCase = {
  name: 'enrol',
  title: `from the label to a running pod's enrolment: one pod, ${TRIES} times over, and ${CROWD} pods at once`,
  needs: 'a mesh of its own',
  measure: async ({ lab }) => [...(await enrolOne(lab)), ...(await enrolCrowd(lab))],
}

async function enrolOne(lab: Lab): Promise<readonly Measured[]> {
  await applyPods(lab, 'bench-one', 1)
  const took: number[] = []
  for (let n = 0; n < TRIES; n++) {
    took.push(...(await enrolNamespace(lab, 'bench-one', 1)))
    await leave(lab, 'bench-one', n + 1)
  }
  return percentiles('one pod enrolled', took)
}

async function enrolCrowd(lab: Lab): Promise<readonly Measured[]> {
  await applyPods(lab, 'bench-crowd', CROWD)
  return percentiles(`${CROWD} pods enrolled at once`, await enrolNamespace(lab, 'bench-crowd', CROWD))
}

/** Labels a namespace. @returns how long each of its pods took, in milliseconds, by the agents' own clock */
async function enrolNamespace(lab: Lab, namespace: string, count: number): Promise<readonly number[]> {
  const known = enrolments(lab, namespace).length
  const labelledMs = systemClock.nowMs()
  lab.label(`namespace/${namespace}`, { [LABEL]: 'ambient' })
  const times = await waitFor(
    `${count} pods of ${namespace} to be enrolled`,
    () => {
      const seen = enrolments(lab, namespace)
      return seen.length >= known + count && seen
    },
    ENROLLED_MS,
  )
  return times.slice(known).map((atMs) => atMs - labelledMs)
}

async function leave(lab: Lab, namespace: string, times: number): Promise<void> {
  lab.label(`namespace/${namespace}`, { [LABEL]: null })
  await waitFor(
    `the pod of ${namespace} to have left`,
    () =>
      agentLines(lab).filter(
        (line) => line.includes('pod has left the mesh') && line.includes(`"${namespace}/`),
      ).length >= times,
    ENROLLED_MS,
  )
}

/** When each pod of a namespace was enrolled, in order. */
function enrolments(lab: Lab, namespace: string): readonly number[] {
  return enrolmentTimes(agentLines(lab), namespace)
}

function agentLines(lab: Lab): readonly string[] {
  return lab.nodes.flatMap((node) => lab.app(`agent@${node.name}`).logs().split('\n'))
}

/** Of lines `time<TAB>level<TAB>scope<TAB>pod enrolled<TAB>pod="namespace/name" …`. Pure. */
export function enrolmentTimes(lines: readonly string[], namespace: string): readonly number[] {
  return lines
    .filter((line) => line.includes('\tpod enrolled\t') && line.includes(`pod="${namespace}/`))
    .map((line) => Date.parse(line.slice(0, line.indexOf('\t'))))
    .toSorted((a, b) => a - b)
}

/** Median and 99th percentile. Pure. */
export function percentiles(name: string, tookMs: readonly number[]): readonly Measured[] {
  const sorted = tookMs.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN
  return [
    { case: `${name}, p50`, value: at(0.5), unit: 'ms' },
    { case: `${name}, p99`, value: at(0.99), unit: 'ms' },
  ]
}

/** Pods outside the mesh, as many on each node. */
async function applyPods(lab: Lab, namespace: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, n) => `pod-${n}`)
  lab.apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }))
  for (let from = 0; from < count; from += BATCH) {
    const batch = names.slice(from, from + BATCH)
    lab.apply(batch.map((name, n) => stringify(idlePod(namespace, name, n % 2))).join('---\n'))
    await Promise.all(batch.map((name) => lab.pod(`${namespace}/${name}`).ready(READY_MS)))
  }
}

function idlePod(namespace: string, name: string, node: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      nodeName: `node${node + 1}`,
      containers: [{ name: 'idle', command: ['sleep', 'infinity'] }],
    },
  }
}
