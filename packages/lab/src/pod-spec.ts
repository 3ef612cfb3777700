import type { Field, KubeObject } from '@ambient/kube'
import { fieldsOf, readPod } from '@ambient/kube'
import { LabError } from './lab-error.ts'

export interface ContainerSpec {
  readonly name: string
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly mounts: readonly { readonly volume: string; readonly path: string }[]
  /** TCP ports it says it listens on: it is ready once it listens on all of them. */
  readonly tcpPorts: readonly number[]
  /** Its `readinessProbe.httpGet`. */
  readonly probe: { readonly port: number; readonly path: string } | undefined
}

export type VolumeSpec =
  | { readonly kind: 'empty' }
  | { readonly kind: 'config-map'; readonly name: string }
  | {
      readonly kind: 'token'
      readonly path: string
      readonly audience: string
      readonly expirationSeconds: number
    }

/** What the kubelet of a lab reads of a pod. */
export interface PodSpec {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly nodeName: string
  readonly serviceAccount: string
  readonly hostNetwork: boolean
  readonly isTerminating: boolean
  readonly containers: readonly ContainerSpec[]
  readonly volumes: ReadonlyMap<string, VolumeSpec>
}

/** @throws {KubeError} `OBJECT_INVALID`, @throws {LabError} `MANIFEST_INVALID` for what a lab cannot run */
export function readPodSpec(pod: KubeObject): PodSpec {
  const facts = readPod(pod)
  const spec = fieldsOf(pod).get('spec')
  return {
    namespace: pod.metadata.namespace ?? 'default',
    name: pod.metadata.name,
    uid: pod.metadata.uid,
    nodeName: facts.nodeName ?? '',
    serviceAccount: facts.serviceAccount,
    hostNetwork: facts.hostNetwork,
    isTerminating: pod.metadata.deletionTimestamp !== undefined,
    containers: spec
      .get('containers')
      .list()
      .map((container) => readContainer(container)),
    volumes: new Map(
      spec
        .get('volumes')
        .list()
        .map((volume) => [volume.get('name').requiredText(), readVolume(volume)]),
    ),
  }
}

function readContainer(container: Field): ContainerSpec {
  const name = container.get('name').requiredText()
  const argv = ['command', 'args']
    .flatMap((field) => container.get(field).list())
    .map((word) => word.text() ?? '')
  if (argv.length === 0) {
    throw new LabError(
      'MANIFEST_INVALID',
      `Container ${name} has no command: the lab has no images, name a program of this machine`,
    )
  }
  return {
    name,
    argv,
    env: Object.fromEntries(
      container
        .get('env')
        .list()
        .map((entry) => [entry.get('name').requiredText(), entry.get('value').text() ?? '']),
    ),
    mounts: container
      .get('volumeMounts')
      .list()
      .map((mount) => ({
        volume: mount.get('name').requiredText(),
        path: mount.get('mountPath').requiredText(),
      })),
    tcpPorts: container
      .get('ports')
      .list()
      .filter((port) => (port.get('protocol').text() ?? 'TCP') === 'TCP')
      .flatMap((port) => port.get('containerPort').integer() ?? []),
    probe: readProbe(container.get('readinessProbe')),
  }
}

function readProbe(probe: Field): ContainerSpec['probe'] {
  if (probe.isAbsent) return undefined
  const get = probe.get('httpGet')
  const port = get.get('port').integer()
  if (port === undefined) throw probe.invalid('must be an httpGet of a numbered port')
  return { port, path: get.get('path').text() ?? '/' }
}

function readVolume(volume: Field): VolumeSpec {
  if (!volume.get('emptyDir').isAbsent) return { kind: 'empty' }
  if (!volume.get('configMap').isAbsent)
    return { kind: 'config-map', name: volume.get('configMap').get('name').requiredText() }
  const [token] = volume
    .get('projected')
    .get('sources')
    .list()
    .map((source) => source.get('serviceAccountToken'))
    .filter((source) => !source.isAbsent)
  if (token === undefined)
    throw volume.invalid('must be an emptyDir, a configMap or a projected serviceAccountToken')
  return {
    kind: 'token',
    path: token.get('path').requiredText(),
    audience: token.get('audience').text() ?? 'istio-ca',
    expirationSeconds: token.get('expirationSeconds').integer() ?? 3600,
  }
}
