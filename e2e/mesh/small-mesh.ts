/** Two nodes, three pods, one istiod and a ztunnel a node: real processes over real kernel networking, on one bridge. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '@ambient/testkit'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { AgentStandIn } from './agent-stand-in.ts'
import { namespaceYaml, type PodManifest, podYaml } from './manifests.ts'
import { Namespaces } from './namespaces.ts'
import { NamespaceProcess, run } from './processes.ts'

const ROOT = join(import.meta.dirname, '..', '..')
export const MARKER = 'marker-7c1f0b'
const NODES = { n1: '10.99.0.11', n2: '10.99.0.12' } as const
type NodeName = keyof typeof NODES

const PODS = {
  client: { node: 'n1', ip: '10.99.0.21', serviceAccount: 'client' },
  other: { node: 'n1', ip: '10.99.0.22', serviceAccount: 'other' },
  server: { node: 'n2', ip: '10.99.0.23', serviceAccount: 'server' },
} as const
export type PodName = keyof typeof PODS
const SERVER_URL: string = `http://${PODS.server.ip}:8080/`
export const PRINCIPAL = (account: string): string => `cluster.local/ns/shop/sa/${account}`

export class SmallMesh implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly directory: string = mkdtempSync(join(tmpdir(), 'ambient-e2e-'))
  readonly namespaces: Namespaces
  readonly #processes = new Map<string, NamespaceProcess>()
  readonly #agents = new Map<NodeName, AgentStandIn>()
  #token: (node: NodeName) => Promise<string> = () => Promise.reject(new Error('no key yet'))

  private constructor(prefix: string) {
    this.#stack.defer(() => rmSync(this.directory, { recursive: true, force: true }))
    this.namespaces = this.#stack.use(new Namespaces(prefix))
  }

  static async up(prefix: string): Promise<SmallMesh> {
    const mesh = new SmallMesh(prefix)
    try {
      mesh.#stack.defer(() => mesh.#stopAll())
      await mesh.#prepare()
      mesh.startServer()
      await mesh.startIstiod()
      for (const node of ['n1', 'n2'] as const) await mesh.startNode(node)
      return mesh
    } catch (cause) {
      const logs = [...mesh.#processes]
        .map(([name, { output }]) => `--- ${name}\n${output.slice(-3000)}`)
        .join('\n')
      await mesh[Symbol.asyncDispose]()
      throw new Error(`the small mesh did not come up\n${logs}`, { cause })
    }
  }

  apply(file: string, text: string): void {
    writeFileSync(join(this.directory, 'config', file), text)
  }

  remove(file: string): void {
    rmSync(join(this.directory, 'config', file))
  }

  /** Rules and listeners, in the order of the real agent; then the annotation that tells the control plane. */
  async enrol(name: PodName): Promise<void> {
    const { node } = PODS[name]
    await this.agent(node).enrol({
      uid: `uid-${name}`,
      name,
      namespace: 'shop',
      serviceAccount: PODS[name].serviceAccount,
      netns: this.netns(name),
    })
    this.#applyPod(name, true)
  }

  async curl(from: PodName, url: string = SERVER_URL): Promise<string> {
    const { code, stdout } = await run(this.netns(from), ['curl', '-sS', '--max-time', '8', url])
    return code === 0 ? stdout : `curl failed with ${code}`
  }

  netns(pod: PodName): string {
    return `${this.namespaces.fabric.replace(/-fab$/, '')}-${pod}`
  }

  log(process: string): string {
    return this.#processes.get(process)?.output ?? ''
  }

  process(name: string): NamespaceProcess {
    const found = this.#processes.get(name)
    if (found === undefined) throw new Error(`there is no process ${name}`)
    return found
  }

  agent(node: NodeName): AgentStandIn {
    const found = this.#agents.get(node)
    if (found === undefined) throw new Error(`there is no agent on ${node}`)
    return found
  }

  async startIstiod(): Promise<void> {
    const { directory } = this
    this.#start(
      'istiod',
      this.namespaces.fabric,
      [
        `${ROOT}/apps/istiod/bin/istiod`,
        '--config-dir',
        `${directory}/config`,
        '--jwks',
        `${directory}/jwks.json`,
        '--state-dir',
        `${directory}/state`,
      ],
      { POD_NAMESPACE: 'istio-system' },
    )
    await waitFor(
      'istiod to be ready',
      async () =>
        (await run(this.namespaces.fabric, ['curl', '-sf', 'http://127.0.0.1:8080/ready'])).code === 0,
      { deadlineMs: 15_000, everyMs: 50 },
    )
  }

  async startNode(node: NodeName): Promise<void> {
    const socket = join(this.directory, `${node}.sock`)
    if (!this.#agents.has(node))
      this.#agents.set(node, this.#stack.use(new AgentStandIn(socket, this.directory)))
    writeFileSync(join(this.directory, `${node}.token`), await this.#token(node))
    const controlPlane = 'https://10.99.0.1:15012'
    this.#start(
      `ztunnel@${node}`,
      `${this.namespaces.fabric.replace(/-fab$/, '')}-${node}`,
      [`${ROOT}/apps/ztunnel/bin/ztunnel`],
      {
        NODE_NAME: node,
        POD_NAME: `ztunnel-${node}`,
        POD_NAMESPACE: 'istio-system',
        INSTANCE_IP: NODES[node],
        XDS_ADDRESS: controlPlane,
        CA_ADDRESS: controlPlane,
        ALT_XDS_HOSTNAME: 'istiod.istio-system.svc',
        ALT_CA_HOSTNAME: 'istiod.istio-system.svc',
        XDS_ROOT_CA: `${this.directory}/state/root-cert.pem`,
        CA_ROOT_CA: `${this.directory}/state/root-cert.pem`,
        AUTH_TOKEN: join(this.directory, `${node}.token`),
        INPOD_UDS: socket,
        RUST_LOG: 'info,access=debug',
        IPV6_ENABLED: 'false',
      },
    )
    await waitFor(
      `ztunnel on ${node} to be ready`,
      async () => (await this.#get(node, 15021, '/healthz/ready')).code === 0,
      { deadlineMs: 15_000, everyMs: 20 },
    )
  }

  async metrics(node: NodeName): Promise<string> {
    return (await this.#get(node, 15020, '/metrics')).stdout
  }

  startServer(): void {
    const conf = `daemon off; worker_processes 1; pid ${this.directory}/nginx.pid; error_log stderr;
events {}
http { access_log off; client_body_temp_path ${this.directory}/b; proxy_temp_path ${this.directory}/p; fastcgi_temp_path ${this.directory}/f; uwsgi_temp_path ${this.directory}/u; scgi_temp_path ${this.directory}/s;
server { listen 8080; location / { return 200 "${MARKER} from $remote_addr\\n"; } } }
`
    writeFileSync(join(this.directory, 'nginx.conf'), conf)
    this.#start('nginx', this.netns('server'), ['nginx', '-c', join(this.directory, 'nginx.conf')])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  async #prepare(): Promise<void> {
    mkdirSync(join(this.directory, 'config'))
    mkdirSync(join(this.directory, 'state'))
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    writeFileSync(
      join(this.directory, 'jwks.json'),
      JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'e2e', alg: 'RS256' }] }),
    )
    this.#token = (node) =>
      new SignJWT({
        'kubernetes.io': {
          namespace: 'istio-system',
          pod: { name: `ztunnel-${node}`, uid: `uid-ztunnel-${node}` },
          serviceaccount: { name: 'ztunnel', uid: 'sa' },
          node: { name: node },
        },
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'e2e' })
        .setSubject('system:serviceaccount:istio-system:ztunnel')
        .setAudience('istio-ca')
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey)
    for (const [node, ip] of Object.entries(NODES)) {
      this.namespaces.add(node, ip)
      this.apply(
        `ztunnel-${node}.yaml`,
        podYaml({
          name: `ztunnel-${node}`,
          namespace: 'istio-system',
          serviceAccount: 'ztunnel',
          node,
          ip,
          uid: `uid-ztunnel-${node}`,
          isEnrolled: false,
        }),
      )
    }
    for (const name of ['istio-system', 'shop']) this.apply(`ns-${name}.yaml`, namespaceYaml(name))
    for (const name of ['client', 'other', 'server'] as const) {
      this.namespaces.add(name, PODS[name].ip)
      this.#applyPod(name, false)
    }
  }

  #applyPod(name: PodName, isEnrolled: boolean): void {
    const manifest: PodManifest = {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      ...PODS[name],
      isEnrolled,
      labels: { app: name },
    }
    this.apply(`pod-${name}.yaml`, podYaml(manifest))
  }

  #get(node: NodeName, port: number, path: string): ReturnType<typeof run> {
    return run(`${this.namespaces.fabric.replace(/-fab$/, '')}-${node}`, [
      'curl',
      '-sf',
      '--max-time',
      '3',
      `http://127.0.0.1:${port}${path}`,
    ])
  }

  #start(
    name: string,
    namespace: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): void {
    this.#processes.set(name, new NamespaceProcess(namespace, words, environment))
  }

  async #stopAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop('SIGKILL')))
  }
}
