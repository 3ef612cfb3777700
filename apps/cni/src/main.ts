import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ApiResources, inClusterAccess } from '@ambient/kube'
import { systemClock, systemRandom } from '@ambient/lifecycle'
import { createLogger, LevelFilter, LineWriter, type Logger } from '@ambient/telemetry'
import { startAgent } from './agent/agent.ts'
import { type AgentCommand, type AgentOptions, HELP, parseCommand } from './agent/agent-options.ts'
import { messageOf } from './cni-error.ts'
import { unenrolCluster } from './uninstall/unenrol-cluster.ts'

/** Arguments, environment or machine that cannot be used. */
const EXIT_USAGE = 2
/** Something that worked before does so no more. */
const EXIT_FAILED = 1

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const command = parseCommand(process.argv.slice(2), process.env)
    if (command.kind === 'run') return await run(command.options)
    if (command.kind === 'unenrol-cluster') return await unenrol(command)
    process.stdout.write(command.kind === 'help' ? HELP : `${readVersion()}\n`)
    return 0
  } catch (cause) {
    process.stderr.write(`istio-cni-agent: ${messageOf(cause)}\n`)
    return EXIT_USAGE
  }
}

/** Runs until a signal or a failure. Rules in pods always stay; the rest goes only with an uninstallation. */
async function run(options: AgentOptions): Promise<number> {
  if (process.getuid?.() !== 0)
    throw new Error('Cannot start: root is needed to change the network of pods; run it with sudo')
  const writer = new LineWriter(process.stderr, {})
  const logger = makeLogger(options, writer)
  const stopped = signalReceived()
  try {
    const version = readVersion()
    const host = {
      clock: systemClock,
      random: systemRandom,
      logger,
      version,
      procRoot: existsSync('/host/proc') ? '/host/proc' : '/proc',
      hostRoot: existsSync('/host/var/run/netns') ? '/host' : '',
      pluginFile: fileURLToPath(new URL('../plugin/dist/istio-cni', import.meta.url)),
    }
    await using agent = await startAgent(options, host)
    logger.info('started', {
      version,
      node: options.nodeName,
      health: agent.healthPort,
      monitoring: agent.monitoringPort,
    })
    try {
      const signal = await Promise.race([stopped, agent.failed])
      const { kind, because } = await agent.shutDown()
      logger.info(kind === 'leave' ? 'stopping; all stays in place' : 'stopping; uninstalled', {
        signal,
        because,
      })
      return 0
    } catch (cause) {
      logger.error('stopping', { error: messageOf(cause) })
      return EXIT_FAILED
    }
  } finally {
    writer.flush()
  }
}

async function unenrol({
  environment,
  namespace,
}: Extract<AgentCommand, { kind: 'unenrol-cluster' }>): Promise<number> {
  const say = (text: string): void => void process.stderr.write(`istio-cni-agent: ${text}\n`)
  await using resources = new ApiResources({
    access: inClusterAccess(environment),
    clock: systemClock,
    random: systemRandom,
    namespace,
    userAgent: `ambient-cni/${readVersion()}`,
    report: say,
  })
  const left = await unenrolCluster({ resources, namespace, clock: systemClock, say })
  if (left.length === 0) return 0
  say(
    `these pods are still in the mesh: ${left.join(', ')}; look at the agents of their nodes, then try again`,
  )
  return EXIT_FAILED
}

function makeLogger({ logFormat, logLevel }: AgentOptions, writer: LineWriter): Logger {
  return createLogger({
    format: logFormat,
    level: LevelFilter.parse(logLevel),
    write: writer.write,
    clock: systemClock,
    scope: 'cni',
  })
}

function signalReceived(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}

function readVersion(): string {
  const value: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : 'unknown'
}
