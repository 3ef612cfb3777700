import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'

export interface TargetRef {
  readonly kind: string
  readonly namespace: string | undefined
  readonly name: string
  readonly uid: string | undefined
}

export interface SliceEndpoint {
  readonly addresses: readonly string[]
  /** Undefined means ready, as the API has it. */
  readonly ready: boolean | undefined
  readonly targetRef: TargetRef | undefined
}

export interface SlicePort {
  readonly name: string | undefined
  readonly port: number
  readonly protocol: string
}

/** The parts of an EndpointSlice this mesh looks at. */
export interface EndpointSliceFacts {
  readonly addressType: string
  /** From the label `kubernetes.io/service-name`. */
  readonly serviceName: string | undefined
  readonly endpoints: readonly SliceEndpoint[]
  /** Ports without a number ("all ports") are left out. */
  readonly ports: readonly SlicePort[]
}

/** @throws {KubeError} `OBJECT_INVALID` naming slice and field. */
export function readEndpointSlice(slice: KubeObject): EndpointSliceFacts {
  const top = fieldsOf(slice)
  return {
    addressType: top.get('addressType').requiredText(),
    serviceName: slice.metadata.labels['kubernetes.io/service-name'],
    endpoints: top.get('endpoints').list().map(readEndpoint),
    ports: top.get('ports').list().flatMap(readSlicePort),
  }
}

function readEndpoint(field: Field): SliceEndpoint {
  const target = field.get('targetRef')
  return {
    addresses: field.get('addresses').texts(),
    ready: field.get('conditions').get('ready').boolean(),
    targetRef: target.isAbsent
      ? undefined
      : {
          kind: target.get('kind').requiredText(),
          namespace: target.get('namespace').text(),
          name: target.get('name').requiredText(),
          uid: target.get('uid').text(),
        },
  }
}

function readSlicePort(field: Field): readonly SlicePort[] {
  const port = field.get('port').integer()
  if (port === undefined) return []
  return [{ name: field.get('name').text(), port, protocol: field.get('protocol').text() ?? 'TCP' }]
}
