/** Addresses of a lab. They exist in its namespaces only, so every lab has the same. */
export const FABRIC_IP = '172.30.0.1'
export const SERVICE_PREFIX = '10.96.0.0/16'
export const CLUSTER_DNS_IP = '10.96.0.10'
export const CLUSTER_DOMAIN = 'cluster.local'
/** Node names and addresses are numbered, and pod networks are 10.244.N.0/24. */
export const MAX_NODES = 100

/** @param index From 1, as in the node's name. */
export function nodeIp(index: number): string {
  return `172.30.0.${10 + index}`
}

export function podPrefix(index: number): string {
  return `10.244.${index}.0/24`
}

/** The n-th ClusterIP given out, from 0; those below 10.96.1.0 are for fixed use. */
export function clusterIp(n: number): string {
  return `10.96.${1 + Math.floor(n / 250)}.${1 + (n % 250)}`
}
