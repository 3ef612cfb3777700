/** The pods that suites talk through: a server that says who asks, and clients that do nothing. */
import { APP_IMAGE } from './kind.ts'
import type { Cluster } from './cluster.ts'

const SERVER = `
const http = require('node:http'), net = require('node:net')
http.createServer((q, r) => r.end(JSON.stringify({ from: q.socket.remoteAddress.replace('::ffff:', ''), pod: process.env.POD }))).listen(8080)
net.createServer((s) => { s.on('error', () => {}); s.write('hello first\\n'); s.pipe(s) }).listen(9000)
`

/** A namespace with a `web` server and its service, a `client` and an `other`, each under an account of its own. */
export function shop(namespace: string, labels: Readonly<Record<string, string>> = {}): string {
  const account = (name: string): string => `apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: ${namespace} }
`
  return [
    `apiVersion: v1
kind: Namespace
metadata: { name: ${namespace}, labels: ${JSON.stringify(labels)} }
`,
    `apiVersion: v1
kind: ConfigMap
metadata: { name: server, namespace: ${namespace} }
data: { server.js: ${JSON.stringify(SERVER)} }
`,
    account('web'),
    account('client'),
    account('other'),
    `apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${namespace} }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 9000 }] }
`,
    pod(namespace, { name: 'web', command: ['node', '/server/server.js'], isServer: true }),
    pod(namespace, { name: 'client', command: ['sleep', 'infinity'], isServer: false }),
    pod(namespace, { name: 'other', command: ['sleep', 'infinity'], isServer: false }),
  ].join('---\n')
}

interface PodOptions {
  readonly name: string
  readonly command: readonly string[]
  readonly isServer: boolean
}

function pod(namespace: string, { name, command, isServer }: PodOptions): string {
  const probes = isServer
    ? `
      readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
      livenessProbe: { tcpSocket: { port: 9000 }, periodSeconds: 5 }`
    : ''
  const mounts = isServer
    ? `
      volumeMounts: [{ name: server, mountPath: /server }]`
    : ''
  const volumes = isServer ? '\n  volumes: [{ name: server, configMap: { name: server } }]' : ''
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec:
  serviceAccountName: ${name}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${APP_IMAGE}
      imagePullPolicy: IfNotPresent
      command: ${JSON.stringify(command)}
      env: [{ name: POD, value: ${name} }]${probes}${mounts}${volumes}
`
}

const ASK = `
const url = process.argv[1]
fetch(url, { signal: AbortSignal.timeout(5000) }).then((r) => r.text()).then((t) => process.stdout.write(t), (e) => { process.stderr.write(String(e.cause ?? e)); process.exit(7) })
`

export interface Answer {
  readonly from: string
  readonly pod: string
}

/** What a pod gets from a server; undefined when it is refused. */
export async function ask(cluster: Cluster, from: string, url: string): Promise<Answer | undefined> {
  const { code, stdout } = await cluster.exec(from, ['node', '-e', ASK, url])
  if (code !== 0) return undefined
  const [, address = '', name = ''] = /^\{"from":"([^"]*)","pod":"([^"]*)"\}$/.exec(stdout) ?? []
  return { from: address, pod: name }
}

/** What the agents say of the pods of a namespace, as `enabled enabled`; empty when none is enrolled. */
export async function redirections(cluster: Cluster, namespace: string): Promise<string> {
  const path = 'jsonpath={.items[*].metadata.annotations.ambient\\.istio\\.io/redirection}'
  return (await cluster.kubectl('get', 'pods', '-n', namespace, '-o', path)).trim()
}

/** Waits for the three pods of the shop to be in the mesh. */
export async function enrolled(cluster: Cluster, namespace: string, deadlineMs = 60_000): Promise<void> {
  await cluster.waitFor(
    'every pod to be enrolled',
    async () => (await redirections(cluster, namespace)) === 'enabled enabled enabled',
    deadlineMs,
  )
}
