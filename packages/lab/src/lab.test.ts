import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { requireRoot, waitFor } from '@ambient/testkit'
import { createLocalJWKSet, jwtVerify } from 'jose'
import type { JSONWebKeySet } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Lab } from './lab.ts'
import { holderOf, liveLabs, removeLeftovers, tracesOf } from './lab-state.ts'
import { TCP_SYN } from './pcap-reader.ts'
import { childrenOf } from './process-table.ts'

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nginx, namespace: shop}
data:
  nginx.conf: |
    daemon off;
    events {}
    http { access_log /dev/stdout; server { listen 8080; location / { return 200 "marker-7351 for $remote_addr\\n"; } } }
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  nodeName: node2
  containers:
    - name: nginx
      command: [nginx, -c, /run/config/nginx.conf]
      ports: [{containerPort: 8080}]
      volumeMounts: [{name: config, mountPath: /run/config}]
  volumes: [{name: config, configMap: {name: nginx}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec:
  nodeName: node1
  serviceAccountName: curious
  containers:
    - name: sleep
      command: [sleep, infinity]
      volumeMounts: [{name: tokens, mountPath: /var/run/secrets/tokens}]
  volumes:
    - name: tokens
      projected: {sources: [{serviceAccountToken: {path: istio-token, audience: istio-ca, expirationSeconds: 900}}]}
`

const pod = (name: string, container: string): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop}, spec: {nodeName: node1, containers: [${container}]}}`

/** Names of everything below a directory, so that two looks can be compared. */
const entries = (directory: string): readonly string[] =>
  existsSync(directory) ? readdirSync(directory).toSorted() : []

/** What a lab could leave on the machine outside its own places; other labs may come and go meanwhile. */
function surroundings(): object {
  const netns = entries('/run/netns').filter((name) => name.startsWith('cni-'))
  return { netns, cni: entries('/var/lib/cni'), conf: entries('/etc/cni'), agent: entries('/run/istio-cni') }
}

/** The network namespaces that processes are in. */
function namespacesOf(pids: readonly number[]): ReadonlySet<string> {
  return new Set(
    pids.flatMap((pid) => {
      try {
        return [readlinkSync(`/proc/${pid}/ns/net`)]
      } catch {
        return [] // it ended between the two looks
      }
    }),
  )
}

requireRoot()

describe('a lab without the mesh', () => {
  let lab: Lab
  let before: object
  const reports: string[] = []

  beforeAll(async () => {
    before = surroundings()
    lab = await Lab.up({
      nodes: 2,
      mesh: false,
      manifests: [SHOP],
      report: (message) => reports.push(message),
    })
    await lab.ready()
  })
  afterAll(async () => {
    await lab.down()
    expect(tracesOf(lab.id)).toEqual([])
    expect(surroundings()).toEqual(before)
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(lab.id)
    expect(reports).toEqual([])
  })

  test('Lab.pod().exec() reaches a pod on another node by its address, which sees the client’s own', async () => {
    const { code, stdout } = await lab
      .pod('shop/client')
      .exec(`curl -sS -m 5 http://${lab.pod('shop/web').ip}:8080/`)
    expect({ code, stdout }).toEqual({ code: 0, stdout: `marker-7351 for ${lab.pod('shop/client').ip}\n` })
  })

  test.each(['web', 'web.shop', 'web.shop.svc.cluster.local'])(
    'cluster DNS and ClusterIP lead to the pod behind %s',
    async (name) => {
      const client = lab.pod('shop/client')
      const { stdout } = await lab.waitFor(
        `curl of ${name}`,
        async () => {
          const result = await client.exec(['curl', '-sS', '-m', '5', `http://${name}/`])
          return result.code === 0 ? result : undefined
        },
        5_000,
      )
      expect(stdout).toBe(`marker-7351 for ${client.ip}\n`)
    },
  )

  test('cluster DNS knows two names outside the cluster, and no packet has a way out of the lab', async () => {
    const client = lab.pod('shop/client')
    expect((await client.exec('getent hosts example.com')).code).not.toBe(0)
    expect((await client.exec('getent ahostsv4 outside.test')).stdout).toMatch(/^192\.0\.2\.1 /)
    expect((await lab.node(1).run(['getent', 'ahostsv4', 'outside.test'])).stdout).toMatch(/^192\.0\.2\.1 /)
    expect((await client.exec('curl -sS -m 2 http://192.0.2.1/')).stderr).toMatch(
      /No route to host|Couldn't connect|timed out/,
    )
    expect((await lab.node(1).run(['ip', 'route', 'show', 'default'])).stdout).toBe('')
  })

  test('a pod reaches itself through its own service', async () => {
    const { code, stdout } = await lab
      .pod('shop/web')
      .exec('curl -sS -m 5 http://web.shop.svc.cluster.local/')
    expect({ code, isAnswered: stdout.startsWith('marker-7351') }).toEqual({ code: 0, isAnswered: true })
  })

  test('Lab.capture() sees a marker on the link, and no connection that stays on one node', async () => {
    await using capture = await lab.capture()
    expect(await capture.holds('marker-7351')).toBe(false)
    await lab.pod('shop/web').exec('curl -sS -m 5 http://127.0.0.1:8080/')
    expect(await capture.packets()).toEqual([])
    await lab.pod('shop/client').exec(`curl -sS -m 5 http://${lab.pod('shop/web').ip}:8080/`)
    expect(await capture.holds('marker-7351')).toBe(true)
    const packets = await capture.packets()
    const opening = packets.find(({ flags }) => flags === TCP_SYN)
    expect(opening).toMatchObject({
      source: lab.pod('shop/client').ip,
      destination: lab.pod('shop/web').ip,
      destinationPort: 8080,
    })
    await capture.stop()
  })

  test('two nodes share neither /run nor processes nor pod cgroups', async () => {
    await lab
      .node(1)
      .mustRun(['sh', '-c', 'mkdir -p /var/run/istio-cni && touch /run/istio-cni/one /run/xtables.lock'])
    const look = 'ls -d /run/istio-cni /run/xtables.lock; cat /proc/[0-9]*/comm'
    const seen = await Promise.all(
      [1, 2].map(async (n) => (await lab.node(n).run(['sh', '-c', look])).stdout.split('\n')),
    )
    expect(seen[0]).toEqual(expect.arrayContaining(['/run/istio-cni', '/run/xtables.lock', 'sleep']))
    expect(seen[0]).not.toContain('nginx')
    expect(seen[1]).toContain('nginx')
    expect(seen[1]).not.toContain('/run/istio-cni')
    expect(existsSync('/run/istio-cni/one')).toBe(false)
  })

  test('a pod’s processes show its cgroup in the node’s /proc, as the kubelet names it', async () => {
    const { stdout } = await lab
      .node(2)
      .run(['sh', '-c', 'cat $(grep -lx nginx /proc/[0-9]*/comm | sed s/comm/cgroup/)'])
    expect(stdout).toContain(`/kubepods/pod${lab.pod('shop/web').uid}/nginx`)
  })

  test('a pod’s token verifies against the key set and names pod, account and node', async () => {
    const { stdout } = await lab.pod('shop/client').exec('cat /var/run/secrets/tokens/istio-token')
    const jwks = JSON.parse(readFileSync(join(lab.directory, 'jwks.json'), 'utf8')) as JSONWebKeySet
    const { payload } = await jwtVerify(stdout, createLocalJWKSet(jwks), { audience: 'istio-ca' })
    expect(payload).toMatchObject({
      sub: 'system:serviceaccount:shop:curious',
      'kubernetes.io': { node: { name: 'node1' }, pod: { name: 'client', uid: lab.pod('shop/client').uid } },
    })
  })

  test('a pod has files of its own, and what it writes is on no disk', async () => {
    const client = lab.pod('shop/client')
    await client.exec('echo secret >/tmp/lab-test-file; echo secret >/run/lab-test-file')
    expect((await client.exec('cat /tmp/lab-test-file; hostname')).stdout).toBe('secret\nclient\n')
    expect((await lab.pod('shop/web').exec('cat /tmp/lab-test-file')).code).toBe(1)
    expect(existsSync('/tmp/lab-test-file') || existsSync('/run/lab-test-file')).toBe(false)
  })

  test('a service loses a pod that stops listening, and Lab.delete() ends one whole', async () => {
    lab.apply(
      pod(
        'short',
        '{name: redis, command: [redis-server, --port, "9000", --save, "", --dir, /tmp], ports: [{containerPort: 9000}]}',
      ),
    )
    const short = lab.pod('shop/short')
    await short.ready()
    const held = await short.start(['sleep', '1000'])
    expect(held.isRunning).toBe(true)
    await short.exec('redis-cli -p 9000 shutdown nosave')
    await lab.waitFor('the pod to be unready', () => !short.isReady, 5_000)
    await lab.delete('pod/shop/short')
    expect(await held.exited).toBe(137)
    expect((await lab.node(1).run(['ip', 'netns', 'list'])).stdout.trim().split('\n')).toHaveLength(1)
    expect(existsSync(join(lab.directory, 'config', 'pod.shop.short.yaml'))).toBe(false)
    expect(() => short.ip).toThrow('There is no pod shop/short in this lab')
  })

  test('a pod that cannot run says why', async () => {
    lab.apply(pod('broken', '{name: gone, command: [no-such-program]}'))
    const said = (): boolean => lab.pod('shop/broken').logs().includes('no-such-program')
    await lab.waitFor('the pod to be made and to fail', said, 10_000)
    await expect(lab.pod('shop/broken').ready(1_000)).rejects.toThrow(
      /Waited 1000 ms for Pod shop\/broken to be ready; .*gone ended with 127: .*no-such-program/s,
    )
    await lab.delete('pod/shop/broken')
  })

  test('a pod that cannot be read says why', async () => {
    lab.apply(pod('empty', '{name: none}'))
    await waitFor('the pod to be looked at', () => reports.length > 0)
    await expect(lab.pod('shop/empty').ready(100)).rejects.toThrow(
      /Container none has no command: the lab has no images/,
    )
    expect(reports.splice(0)).toEqual([
      expect.stringContaining('Cannot run Pod shop/empty: Container none has no command'),
    ])
    await lab.delete('pod/shop/empty')
  })

  test('Lab.pod().start() gives a program input and keeps what it says', async () => {
    const cat = await lab.pod('shop/client').start(['cat'])
    cat.write('hello\n')
    await cat.waitForLog(/^hello$/, 2_000)
    cat.end()
    expect(await cat.exited).toBe(0)
  })

  test('Lab.pod().withHostFiles() gives a program the files of the machine, and all else of the pod', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'lab-host-')), 'shown') // below /tmp, which pods have their own of
    writeFileSync(file, 'yes')
    const show = ['sh', '-c', `cat ${file}; hostname; ip -brief address show eth0; echo $$`]
    const client = lab.pod('shop/client')
    expect((await client.exec(show)).stderr).toContain('No such file')
    const { stdout } = await client.withHostFiles().exec(show)
    expect(stdout).toMatch(/^yesclient\neth0\S* +UP +10\.244\.1\.\d+\/24 .*\n\d{1,3}\n$/)
    rmSync(dirname(file), { recursive: true })
  })

  test('Lab.pod().exec() kills a program that outlives its deadline, with all it started', async () => {
    const client = lab.pod('shop/client')
    await expect(client.exec('sleep 333 & exec sleep 333', { deadlineMs: 300 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
    const sleeping = async (): Promise<string> =>
      (await client.exec('grep -lz 3[3]3 /proc/[0-9]*/cmdline | wc -l')).stdout
    await waitFor('no process to be left', async () => (await sleeping()).trim() === '0', {
      deadlineMs: 2_000,
    })
  })
})

test('Lab.up() takes two nodes and five pods in seconds: under 3 on an idle machine, never 15', async () => {
  const startMs = performance.now()
  const many = ['a', 'b', 'c', 'd', 'e'].map((name) =>
    pod(name, '{name: sleep, command: [sleep, infinity]}').replace('node1', name < 'd' ? 'node1' : 'node2'),
  )
  await using lab = await Lab.up({
    mesh: false,
    manifests: ['{apiVersion: v1, kind: Namespace, metadata: {name: shop}}', ...many],
  })
  await lab.ready()
  const upMs = performance.now() - startMs
  process.stdout.write(`two nodes and five pods took ${Math.round(upMs)} ms\n`)
  expect(upMs).toBeLessThan(15_000)
})

test('Lab.down() notices a namespace left on the host and a process left in a namespace, and removes the one', async () => {
  const lab = await Lab.up({ nodes: 1, mesh: false })
  const stray = `/proc/${lab.node(1).holder.pid}/ns/net`
  const process = spawn('nsenter', [`--net=${stray}`, 'sleep', '1000'])
  execFileSync('ip', ['netns', 'add', `${lab.id}-leak`])
  await waitFor(
    'the process to be inside',
    () => readlinkSync(`/proc/${process.pid}/ns/net`) === readlinkSync(stray),
    { deadlineMs: 2_000 },
  )
  await expect(lab.down()).rejects.toThrow(`The lab left /run/netns/${lab.id}-leak, process ${process.pid}`)
  expect(tracesOf(lab.id)).toEqual([])
  process.kill()
})

describe('a lab whose process ends', () => {
  let scratch: string
  let holder: ChildProcess

  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'lab-holder-'))
  })
  afterEach(() => holder.kill('SIGKILL')) // one that a failed test left would keep this process waiting
  afterAll(() => rmSync(scratch, { recursive: true }))

  /** A process of its own that holds a lab with one pod; it answers with the id of the lab. */
  async function hold(): Promise<string> {
    const script = join(scratch, 'holder.mjs')
    const manifest = pod('client', '{name: sleep, command: [sleep, infinity]}')
    writeFileSync(
      script,
      `const { Lab } = await import(${JSON.stringify(join(import.meta.dirname, 'lab.ts'))})
       const lab = await Lab.up({ nodes: 1, mesh: false, manifests: [${JSON.stringify(manifest)}] })
       await lab.ready()
       console.log('LAB ' + lab.id)
       setInterval(() => {}, 1 << 30)`,
    )
    holder = spawn(
      process.execPath,
      ['--conditions=@ambient/source', '--disable-warning=ExperimentalWarning', script],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    holder.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const id = await waitFor('the lab to be up', () => /LAB (\S+)/.exec(said)?.[1], { deadlineMs: 15_000 })
    expect(liveLabs().map((lab) => lab.id)).toContain(id)
    return id
  }

  const labProcesses = (pid: number): readonly number[] =>
    childrenOf(pid).flatMap((child) => [child.pid, ...labProcesses(child.pid)])

  test('removeLeftovers() finds what a killed one left: processes went at once, then nothing is there', async () => {
    const id = await hold()
    const processes = labProcesses(holder.pid ?? 0)
    expect(processes.length).toBeGreaterThan(5)
    holder.kill('SIGKILL')
    await waitFor('the holder to end', () => holder.signalCode ?? undefined, { deadlineMs: 5_000 })
    await waitFor(
      'every process of the lab to end',
      () => processes.every((pid) => !existsSync(`/proc/${pid}/exe`) || !isAlive(pid)),
      { deadlineMs: 5_000 },
    )
    await waitFor('their parent to end', () => holder.signalCode ?? undefined, { deadlineMs: 5_000 })
    expect(holderOf(id)).toBeUndefined()
    await removeLeftovers() // any lab that comes up in another test does the same, so who removes it is open
    expect(tracesOf(id)).toEqual([])
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s takes the lab down first', async (signal) => {
    const id = await hold()
    const made = namespacesOf(labProcesses(holder.pid ?? 0))
    expect(made.size).toBeGreaterThanOrEqual(4) // fabric, control, node1, the pod
    holder.kill(signal)
    await waitFor('the process to end', () => holder.signalCode ?? undefined, { deadlineMs: 10_000 })
    expect(holder.signalCode).toBe(signal)
    expect(tracesOf(id)).toEqual([])
    expect(labProcesses(holder.pid ?? 0)).toEqual([])
  })
})

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.startsWith('Z') === false
  } catch {
    return false // gone
  }
}
