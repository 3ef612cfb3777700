import type { Field } from './field.ts'
import { fieldsOf } from './kube-object.ts'
import type { KubeObject } from './kube-object.ts'
import { readLabelSelector } from './label-selector.ts'
import type { LabelSelector } from './label-selector.ts'
import { readPort } from './read-pod.ts'

/** Namespaces whose objects a listener takes. */
export type AllowedNamespaces =
  | { readonly from: 'Same' | 'All' | 'None' }
  /** Without a selector it takes none. */
  | { readonly from: 'Selector'; readonly selector: LabelSelector | undefined }

export interface GatewayListener {
  readonly name: string
  readonly port: number
  readonly protocol: string
  /** `Terminate` when it has TLS and does not say. */
  readonly tlsMode: string | undefined
  readonly allowed: AllowedNamespaces
}

/** The parts of a Gateway of the Gateway API this mesh looks at. */
export interface GatewayFacts {
  readonly className: string
  readonly listeners: readonly GatewayListener[]
  /** From its status: where it is to be found. */
  readonly addresses: readonly { readonly type: string; readonly value: string }[]
}

const FROM = ['Same', 'All', 'None', 'Selector'] as const

/** @throws {KubeError} `OBJECT_INVALID` naming gateway and field. */
export function readGateway(gateway: KubeObject): GatewayFacts {
  const spec = fieldsOf(gateway).get('spec')
  const addresses = fieldsOf(gateway).get('status').get('addresses').list()
  return {
    className: spec.get('gatewayClassName').requiredText(),
    listeners: spec.get('listeners').list().map(readListener),
    addresses: addresses.map((address) => ({
      type: address.get('type').text() ?? 'IPAddress',
      value: address.get('value').requiredText(),
    })),
  }
}

function readListener(field: Field): GatewayListener {
  return {
    name: field.get('name').requiredText(),
    port: readPort(field.get('port')),
    protocol: field.get('protocol').requiredText(),
    tlsMode: field.get('tls').isAbsent ? undefined : (field.get('tls').get('mode').text() ?? 'Terminate'),
    allowed: readAllowedNamespaces(field.get('allowedRoutes').get('namespaces')),
  }
}

/** What stands under `namespaces` of a listener's `allowedRoutes`. @throws {KubeError} `OBJECT_INVALID` */
export function readAllowedNamespaces(field: Field): AllowedNamespaces {
  const from = field.get('from').choice(FROM) ?? 'Same'
  if (from !== 'Selector') return { from }
  return { from, selector: readLabelSelector(field.get('selector')) }
}
