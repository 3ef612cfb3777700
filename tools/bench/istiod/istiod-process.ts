import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface IstiodUse {
  readonly cpuMs: number
  readonly rssBytes: number
  readonly peakRssBytes: number
  /** Since this was last asked: the longest time in which it could do nothing else. */
  readonly longestBlockMs: number
}

/** An istiod of its own process. */
export interface IstiodProcess extends AsyncDisposable {
  /** From its start until it served. */
  readonly startMs: number
  readonly securePort: number
  /** What its clients know it by. */
  readonly rootsPem: string
  use(): Promise<IstiodUse>
}

export interface IstiodPlace {
  /** For what it keeps; a folder of its own. */
  readonly folder: string
  readonly api: { readonly port: number; readonly caPem: string }
}

const BIN = join(import.meta.dirname, '..', '..', '..', 'apps', 'istiod', 'bin', 'istiod')
const READY_MS = 300_000
const TICK_MS = 10
/** In a pod, the service account's files have one place; so have they in a mount namespace of its own. */
const AS_IN_A_POD = `
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp "$0/ca.crt" "$0/token" /run/secrets/kubernetes.io/serviceaccount/
exec "$@"
`

/** Runs it as in a pod of the cluster. @throws when it ends, or does not serve in time; its log then goes with the error. */
export async function startIstiod({ folder, api }: IstiodPlace): Promise<IstiodProcess> {
  writeFileSync(join(folder, 'ca.crt'), api.caPem)
  writeFileSync(join(folder, 'token'), 'istiod')
  const state = join(folder, 'state')
  const ports = ['--secure-port', '0', '--monitoring-port', '0', '--http-port', '0']
  const argv = [BIN, '--state-dir', state, '--listen', '127.0.0.1', ...ports]
  const startedMs = performance.now()
  const child = spawn('unshare', ['--mount', 'sh', '-ec', AS_IN_A_POD, folder, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: `${api.port}`,
      AMBIENT_ENABLE_STATUS: 'false',
      PILOT_ENABLE_IP_AUTOALLOCATE: 'false',
    },
  })
  const ended = once(child, 'exit')
  try {
    const { securePort, monitoringPort } = await servingPorts(child)
    return {
      startMs: performance.now() - startedMs,
      securePort,
      rootsPem: readFileSync(join(state, 'root-cert.pem'), 'utf8'),
      use: async () => ({ ...useOf(child), longestBlockMs: await longestBlock(monitoringPort) }),
      [Symbol.asyncDispose]: async () => {
        child.kill('SIGTERM')
        await ended
      },
    }
  } catch (cause) {
    child.kill('SIGKILL')
    throw cause
  }
}

async function servingPorts(
  child: ChildProcess,
): Promise<{ readonly securePort: number; readonly monitoringPort: number }> {
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log = `${log}${chunk.toString()}`.slice(-20_000)))
  for (const endMs = performance.now() + READY_MS; performance.now() < endMs; await sleep(10)) {
    const secure = /serving.*\bsecure=(\d+)/.exec(log)?.[1]
    const monitoring = /started.*\bmonitoring=(\d+)/.exec(log)?.[1]
    if (secure !== undefined && monitoring !== undefined)
      return { securePort: Number(secure), monitoringPort: Number(monitoring) }
    if (child.exitCode !== null || child.signalCode !== null) break
  }
  throw new Error(`istiod does not serve:\n${log}`)
}

/** Of the process itself. @see proc_pid_stat(5), proc_pid_status(5) */
function useOf({ pid }: ChildProcess): Omit<IstiodUse, 'longestBlockMs'> {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0)
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    rssBytes: kilobytes('VmRSS') * 1024,
    peakRssBytes: kilobytes('VmHWM') * 1024,
  }
}

async function longestBlock(monitoringPort: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${monitoringPort}/metrics`)
  const seconds = /^ambient_event_loop_block_seconds (\S+)$/m.exec(await answer.text())?.[1]
  if (seconds === undefined) throw new Error('istiod does not tell how long its event loop was blocked')
  return Number(seconds) * 1000
}
