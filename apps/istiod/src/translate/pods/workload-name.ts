import type { PodFacts } from './pod-facts.ts'

/** The name of what made a pod, as people know it: its Deployment and not its ReplicaSet. */
export function workloadName(pod: PodFacts): string {
  const labelled = pod.labels['service.istio.io/workload-name']
  if (labelled !== undefined && labelled !== '') return labelled
  const owner = pod.controller
  if (owner === undefined || !pod.hasGeneratedName) return pod.name
  switch (owner.kind) {
    case 'ReplicaSet':
      return withoutTemplateHash(owner.name, pod.labels)
    case 'ReplicationController':
      return owner.name.replace(/-\d+$/, '')
    case 'Job':
      return owner.name.replace(/-\d{8,10}$/, '') // a CronJob names its Jobs by the minute
    default:
      return owner.name
  }
}

function withoutTemplateHash(name: string, labels: Readonly<Record<string, string>>): string {
  const hash = labels['pod-template-hash'] ?? labels['rollouts-pod-template-hash']
  return hash !== undefined && hash !== '' && name.endsWith(`-${hash}`)
    ? name.slice(0, -hash.length - 1)
    : name
}

/** The application's name over all its versions, for telemetry. */
export function canonicalName(pod: PodFacts): string {
  return (
    firstLabel(pod, ['service.istio.io/canonical-name', 'app.kubernetes.io/name', 'app']) ?? workloadName(pod)
  )
}

export function canonicalRevision(pod: PodFacts): string {
  return (
    firstLabel(pod, ['service.istio.io/canonical-revision', 'app.kubernetes.io/version', 'version']) ??
    'latest'
  )
}

function firstLabel(pod: PodFacts, names: readonly string[]): string | undefined {
  const name = names.find((each) => (pod.labels[each] ?? '') !== '')
  return name === undefined ? undefined : pod.labels[name]
}
