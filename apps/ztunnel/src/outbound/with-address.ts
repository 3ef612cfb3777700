import type { Workload } from '@ambient/model'
import type { AcceptedRoute, Route } from './route.ts'

export interface Picked {
  readonly workload: Workload
  readonly ip: string | undefined
  readonly requestedIp: string
  readonly choices: readonly string[]
}

/** The route to what was picked, at once or as soon as its host name is resolved. */
export function withAddress(
  { workload, ip, requestedIp, choices }: Picked,
  routeTo: (ip: string) => AcceptedRoute,
): Route {
  if (ip !== undefined) return routeTo(ip)
  const { hostname, uid } = workload
  if (hostname !== '') return { kind: 'unresolved', hostname, requestedIp, choices, resume: routeTo }
  const detail = `no valid routing destination for workload: ${uid} has neither address nor host name`
  return { kind: 'reject', reason: 'WORKLOAD_ADDRESS_UNKNOWN', detail }
}
