/** The Kubernetes objects of the small mesh, as an operator would write them. */

export interface PodManifest {
  readonly name: string
  readonly namespace: string
  readonly serviceAccount: string
  readonly node: string
  readonly ip: string
  readonly uid: string
  readonly isEnrolled: boolean
  readonly labels?: Readonly<Record<string, string>>
}

export function podYaml(pod: PodManifest): string {
  const labels = Object.entries(pod.labels ?? {}).map(([name, value]) => `    ${name}: ${value}`)
  return [
    'apiVersion: v1',
    'kind: Pod',
    'metadata:',
    `  name: ${pod.name}`,
    `  namespace: ${pod.namespace}`,
    `  uid: ${pod.uid}`,
    ...(labels.length > 0 ? ['  labels:', ...labels] : []),
    ...(pod.isEnrolled ? ['  annotations:', '    ambient.istio.io/redirection: enabled'] : []),
    'spec:',
    `  serviceAccountName: ${pod.serviceAccount}`,
    `  nodeName: ${pod.node}`,
    '  containers:',
    '  - name: app',
    '    image: none',
    'status:',
    '  phase: Running',
    `  podIP: ${pod.ip}`,
    '  podIPs:',
    `  - ip: ${pod.ip}`,
    '  conditions:',
    '  - type: Ready',
    '    status: "True"',
    '',
  ].join('\n')
}

export function namespaceYaml(name: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ${name}\n`
}

/** Lets one service account in, and nobody else. */
export function allowYaml(name: string, namespace: string, principal: string): string {
  return `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: ${name}
  namespace: ${namespace}
spec:
  action: ALLOW
  rules:
  - from:
    - source:
        principals: ["${principal}"]
`
}
