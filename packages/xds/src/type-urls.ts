const PREFIX = 'type.googleapis.com/'

export const ADDRESS_TYPE: string = `${PREFIX}istio.workload.Address`
export const WORKLOAD_TYPE: string = `${PREFIX}istio.workload.Workload`
export const AUTHORIZATION_TYPE: string = `${PREFIX}istio.security.Authorization`
