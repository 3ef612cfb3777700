import { readFileSync } from 'node:fs'
import { errorText, systemClock, systemRandom } from '@ambient/lifecycle'
import { createLogger, LevelFilter, LineWriter, type Logger } from '@ambient/telemetry'
import { ConfigError, type ControllerConfig, HELP, parseCommand } from './config.ts'
import { startController } from './start-controller.ts'

const MAX_QUEUED_LINES = 10_000
/** Arguments or paths that cannot be used. */
const EXIT_USAGE = 2
/** Something that worked before does so no more. */
const EXIT_FAILED = 1

process.exitCode = await main()

async function main(): Promise<number> {
  const version = readVersion()
  try {
    const command = parseCommand(process.argv.slice(2), process.env)
    if (command.kind === 'run') return await run(command.config, version)
    process.stdout.write(command.kind === 'help' ? HELP : `${version}\n`)
    return 0
  } catch (cause) {
    process.stderr.write(`waypoint-controller: ${errorText(cause)}\n`)
    return EXIT_USAGE
  }
}

async function run(config: ControllerConfig, version: string): Promise<number> {
  const writer = new LineWriter(process.stderr, { maxQueuedLines: MAX_QUEUED_LINES })
  const logger = makeLogger(config, writer)
  const stopped = signalReceived()
  try {
    await using controller = await startController(config, {
      clock: systemClock,
      random: systemRandom,
      logger,
      version,
    })
    logger.info('started', { version, monitoring: controller.monitoringPort })
    return await Promise.race([stopped, controller.failed]).then(
      (signal) => {
        logger.info('stopping', { signal })
        return 0
      },
      (cause: unknown) => {
        logger.error('stopping', { error: errorText(cause) })
        return EXIT_FAILED
      },
    )
  } finally {
    writer.flush()
  }
}

function makeLogger(config: ControllerConfig, writer: LineWriter): Logger {
  try {
    const level = LevelFilter.parse(config.logFilter)
    return createLogger({
      format: config.logFormat,
      level,
      write: writer.write,
      clock: systemClock,
      scope: 'waypoint-controller',
    })
  } catch (cause) {
    throw new ConfigError(`LOG_LEVEL is no log filter: ${errorText(cause)}`)
  }
}

function signalReceived(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal))
  })
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : 'unknown'
}
