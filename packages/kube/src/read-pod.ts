import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'

export interface ContainerPort {
  readonly name: string | undefined
  readonly port: number
  readonly protocol: string
}

export interface ContainerFacts {
  readonly name: string
  readonly ports: readonly ContainerPort[]
}

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'

/** The parts of a Pod this mesh looks at. */
export interface PodFacts {
  readonly nodeName: string | undefined
  readonly serviceAccount: string
  readonly hostNetwork: boolean
  /** Containers that run beside each other: the ordinary ones and init containers that restart always. */
  readonly containers: readonly ContainerFacts[]
  readonly phase: PodPhase
  /** Canonical order of the API: the first is the pod's main address. */
  readonly podIps: readonly string[]
  readonly isReady: boolean
}

const PHASES: readonly PodPhase[] = ['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown']

/** @throws {KubeError} `OBJECT_INVALID` naming pod and field. */
export function readPod(pod: KubeObject): PodFacts {
  const spec = fieldsOf(pod).get('spec')
  const status = fieldsOf(pod).get('status')
  const sidecars = spec
    .get('initContainers')
    .list()
    .filter((container) => container.get('restartPolicy').text() === 'Always')
  return {
    nodeName: spec.get('nodeName').text(),
    serviceAccount: spec.get('serviceAccountName').text() || spec.get('serviceAccount').text() || 'default',
    hostNetwork: spec.get('hostNetwork').boolean() ?? false,
    containers: [...spec.get('containers').list(), ...sidecars].map(readContainer),
    phase: readPhase(status.get('phase')),
    podIps: readPodIps(status),
    isReady: status.get('conditions').list().some(isReadyCondition),
  }
}

function readPhase(field: Field): PodPhase {
  const text = field.text() ?? 'Pending'
  const phase = PHASES.find((known) => known === text)
  if (phase === undefined) throw field.invalid(`must be one of ${PHASES.join(', ')}`)
  return phase
}

function readPodIps(status: Field): readonly string[] {
  const listed = status
    .get('podIPs')
    .list()
    .map((item) => item.get('ip').requiredText())
  const first = status.get('podIP').text()
  return listed.length === 0 && first !== undefined && first !== '' ? [first] : listed
}

function isReadyCondition(condition: Field): boolean {
  return condition.get('type').text() === 'Ready' && condition.get('status').text() === 'True'
}

function readContainer(field: Field): ContainerFacts {
  return {
    name: field.get('name').requiredText(),
    ports: field
      .get('ports')
      .list()
      .map((port) => ({
        name: port.get('name').text(),
        port: readPort(port.get('containerPort')),
        protocol: port.get('protocol').text() ?? 'TCP',
      })),
  }
}

/** A port number that must be there. */
export function readPort(field: Field): number {
  const port = field.integer()
  if (port === undefined || port < 1 || port > 65_535) throw field.invalid('must be a port from 1 to 65535')
  return port
}
