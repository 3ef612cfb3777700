/** A pod that opens connections all the time, and keeps one: what it sees while something is done to the mesh. */
import type { Cluster } from './cluster.ts'

export interface SteadyResult {
  /** Connections that were answered. */
  readonly ok: number
  /** Others, by why: `ECONNREFUSED`, `ECONNRESET`, `closed`, `timeout`. */
  readonly failed: Readonly<Record<string, number>>
  readonly slowestMs: number
  /** One connection from the beginning: echoes of it, and why it ended; empty while it lives. */
  readonly kept: { readonly echoes: number; readonly end: string }
}

export interface SteadyOptions {
  /** `shop/client` */
  readonly pod: string
  /** A server that speaks first and echoes. */
  readonly host: string
  readonly port: number
  readonly perSecond: number
}

const FOLDER = '/tmp/steady'
const SCRIPT = `
const net = require('node:net'), fs = require('node:fs')
const [host, port, perSecond, folder] = process.argv.slice(1)
fs.rmSync(folder, { recursive: true, force: true })
fs.mkdirSync(folder)
fs.writeFileSync(folder + '/pid', String(process.pid))
const seen = { ok: 0, failed: {}, slowestMs: 0, kept: { echoes: 0, end: '' } }
const kept = net.connect(+port, host)
kept.on('data', () => seen.kept.echoes++)
kept.on('error', (error) => { seen.kept.end = error.code })
kept.on('close', () => { seen.kept.end = seen.kept.end || 'closed' })
setInterval(() => kept.writable && kept.write('x'), 200)
function ask() {
  const from = performance.now()
  const socket = net.connect(+port, host)
  let isOver = false
  const end = (why) => {
    if (isOver) return
    isOver = true
    socket.destroy()
    if (why !== undefined) seen.failed[why] = (seen.failed[why] ?? 0) + 1
    else { seen.ok++; seen.slowestMs = Math.max(seen.slowestMs, Math.round(performance.now() - from)) }
  }
  socket.setTimeout(20000, () => end('timeout'))
  socket.on('data', () => end())
  socket.on('error', (error) => end(error.code))
  socket.on('close', () => end('closed'))
}
setInterval(ask, 1000 / perSecond)
setInterval(() => { fs.writeFileSync(folder + '/new', JSON.stringify(seen)); fs.renameSync(folder + '/new', folder + '/seen') }, 250)
`

/** Runs inside a pod until it is stopped; what it has seen can be read at any time. */
export class SteadyClient {
  readonly #cluster: Cluster
  readonly #pod: string

  private constructor(cluster: Cluster, pod: string) {
    this.#cluster = cluster
    this.#pod = pod
  }

  /** Waits until it is answered. */
  static async start(cluster: Cluster, { pod, host, port, perSecond }: SteadyOptions): Promise<SteadyClient> {
    const args = [host, String(port), String(perSecond), FOLDER]
    const command = ['sh', '-c', 'setsid node -e "$0" "$@" >/dev/null 2>&1 </dev/null &', SCRIPT, ...args]
    const { code, stderr } = await cluster.exec(pod, command)
    if (code !== 0) throw new Error(`the steady client of ${pod} cannot be started: ${stderr}`)
    const client = new SteadyClient(cluster, pod)
    await cluster.waitFor(
      `${pod} to be answered by ${host}`,
      async () => {
        const { ok, kept } = await client.seen()
        return ok > 0 && kept.echoes > 0
      },
      60_000,
    )
    return client
  }

  async seen(): Promise<SteadyResult> {
    const { stdout, stderr } = await this.#cluster.exec(this.#pod, ['cat', `${FOLDER}/seen`])
    if (stdout === '') throw new Error(`nothing is seen yet: ${stderr}`)
    return JSON.parse(stdout) as SteadyResult
  }

  /** Waits until it has been answered so often again. */
  async answered(times: number, deadlineMs = 60_000): Promise<void> {
    const { ok } = await this.seen()
    await this.#cluster.waitFor(
      `${times} more answers`,
      async () => (await this.seen()).ok >= ok + times,
      deadlineMs,
    )
  }

  async stop(): Promise<SteadyResult> {
    const seen = await this.seen()
    await this.#cluster.exec(this.#pod, ['sh', '-c', `kill $(cat ${FOLDER}/pid)`])
    return seen
  }
}
