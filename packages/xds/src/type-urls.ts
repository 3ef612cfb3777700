const PREFIX = 'type.googleapis.com/'

export const ADDRESS_TYPE: string = `${PREFIX}istio.workload.Address`
export const WORKLOAD_TYPE: string = `${PREFIX}istio.workload.Workload`
/** What proxies of several roots are told to trust. */
export const PROXY_CONFIG_TYPE: string = `${PREFIX}istio.mesh.v1alpha1.ProxyConfig`
export const AUTHORIZATION_TYPE: string = `${PREFIX}istio.security.Authorization`
