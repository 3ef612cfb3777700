import type { PodFacts } from './pods/pod-facts.ts'

type Labels = Readonly<Record<string, string>>

const WORKLOAD_NAME = 'service.istio.io/workload-name'

/** The name of what made a pod, as people know it: its Deployment and not its ReplicaSet. */
export function podWorkloadName(pod: PodFacts): string {
  const owner = pod.controller
  const labelled = firstLabel(pod.labels, [WORKLOAD_NAME])
  if (labelled !== undefined) return labelled
  if (owner === undefined || !pod.hasGeneratedName) return pod.name
  switch (owner.kind) {
    case 'ReplicaSet':
      return withoutTemplateHash(owner.name, pod.labels)
    case 'ReplicationController':
      return firstLabel(pod.labels, ['deploymentconfig']) ?? owner.name
    case 'Job':
      return owner.name.replace(/-\d{8,10}$/, '') // a CronJob names its Jobs by the minute
    default:
      return owner.name
  }
}

/** @param name Of the WorkloadEntry. */
export function entryWorkloadName(name: string, labels: Labels, annotations: Labels): string {
  return (
    firstLabel(annotations, ['istio.io/autoRegistrationGroup']) ?? firstLabel(labels, [WORKLOAD_NAME]) ?? name
  )
}

/** Of a Deployment, or of an Argo Rollout. */
function withoutTemplateHash(name: string, labels: Labels): string {
  const hashes = ['pod-template-hash', 'rollouts-pod-template-hash'].map((label) => labels[label] ?? '')
  const hash = hashes.find((each) => each !== '' && name.endsWith(`-${each}`))
  return hash === undefined ? name : name.slice(0, -hash.length - 1)
}

/** The application's name over all its versions, for telemetry. */
export function canonicalName(labels: Labels, workloadName: string): string {
  return (
    firstLabel(labels, ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app']) ?? workloadName
  )
}

export function canonicalRevision(labels: Labels): string {
  return (
    firstLabel(labels, ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version']) ??
    'latest'
  )
}

function firstLabel(labels: Labels, names: readonly string[]): string | undefined {
  const name = names.find((each) => (labels[each] ?? '') !== '')
  return name === undefined ? undefined : labels[name]
}
