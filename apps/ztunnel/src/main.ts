/** The node proxy's process: reads the environment, builds everything, waits for a signal. */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { systemClock } from '@ambient/lifecycle'
import { raiseFileLimit } from '@ambient/linux'
import { createLogger, LevelFilter, LineWriter } from '@ambient/telemetry'
import { checkOpenSsl } from '@ambient/tls'
import { readConfig, type ZtunnelConfig } from './config.ts'
import { ConfigError } from './env-values.ts'
import { withoutEffect } from './environment.ts'
import { ProxyThreads } from './control/proxy-threads.ts'
import type { LocalMesh } from './local/read-local-mesh.ts'
import { loadProxyConfig } from './proxy-config.ts'

const USAGE = `Usage: ztunnel [proxy [ztunnel] | version | help]

The node proxy of the mesh. It is configured by environment variables, as upstream's ztunnel is:
NODE_NAME, XDS_ADDRESS, CA_ADDRESS, XDS_ROOT_CA, CA_ROOT_CA, AUTH_TOKEN, CLUSTER_ID, INPOD_UDS, RUST_LOG and more;
see apps/ztunnel/README.md.
`

const RESOLV_CONF = '/etc/resolv.conf'

const [command = 'proxy'] = process.argv.slice(2)
switch (command) {
  case 'proxy':
    await serve(await configuration())
    break
  case 'version':
  case '--version':
    process.stdout.write(
      `ambient ztunnel 0.0.0 (node ${process.version}, OpenSSL ${process.versions.openssl})\n`,
    )
    break
  case 'help':
  case '--help':
    process.stdout.write(USAGE)
    break
  default:
    process.stderr.write(`ztunnel: unknown command "${command}"\n${USAGE}`)
    process.exitCode = 1
}

interface Configuration {
  readonly config: ZtunnelConfig
  readonly localMesh: LocalMesh | undefined
}

async function configuration(): Promise<Configuration> {
  try {
    const config = readConfig(process.env, {
      cpus: availableParallelism(),
      fileExists: existsSync,
      resolvConf: textOf(RESOLV_CONF) ?? '',
      proxyConfig: await loadProxyConfig(process.env, textOf),
    })
    if (config.localMesh === undefined) return { config, localMesh: undefined }
    const { loadLocalMesh } = await import('./local/load-local-mesh.ts')
    return { config, localMesh: await loadLocalMesh(config.localMesh) }
  } catch (cause) {
    return refuse(cause)
  }
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** What is not to be used ends the start with one line; anything else is a bug. */
function refuse(cause: unknown): never {
  if (!(cause instanceof ConfigError)) throw cause
  process.stderr.write(`ztunnel: ${cause.message}\n`)
  process.exit(1)
}

function unlessRefused<T>(make: () => T): T {
  try {
    return make()
  } catch (cause) {
    return refuse(cause)
  }
}

async function serve({ config, localMesh }: Configuration): Promise<void> {
  checkOpenSsl()
  raiseFileLimit()
  const filter = LevelFilter.parse(config.logFilter)
  const writer = new LineWriter(process.stdout)
  const logger = createLogger({
    format: config.logFormat,
    level: filter,
    write: writer.write,
    clock: systemClock,
    scope: 'ztunnel',
  })
  const { promise: stopped, resolve: stop } = Promise.withResolvers<number>()
  const onFatal = (cause: unknown): void => {
    logger.error('cannot go on', {
      error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
    })
    stop(1)
  }
  let signals = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1)
      stop(0)
    })
  }
  const threads = new ProxyThreads(config, onFatal)
  const [{ NodeProxy }, { openAdmin }] = await Promise.all([
    import('./control/node-proxy.ts'),
    import('./admin/open-admin.ts'),
  ])
  const proxy = unlessRefused(() => new NodeProxy(config, threads, { logger, onFatal }))
  const admin = await openAdmin({
    proxy,
    config,
    localMesh,
    filter,
    logger,
    stop: () => stop(0),
  })
  if (config.dns?.nameservers.length === 0)
    logger.warn('no name server that a pod could reach: only names of the mesh can be resolved', {
      file: RESOLV_CONF,
    })
  proxy.start(localMesh)
  const idle = withoutEffect(process.env)
  if (idle.length > 0)
    logger.warn('variables without effect, see docs/compatibility.md', { names: idle.join(',') })
  if (config.debugsMemory) logger.warn('memory is checked, which is slow', { by: 'AMBIENT_DEBUG_MEMORY' })
  logger.info('started', { node: config.nodeName, workers: config.workerThreads })
  const code = await stopped
  proxy.readiness.close('draining')
  if (code === 0) await proxy.drain()
  await admin[Symbol.asyncDispose]()
  writer.flush()
  process.exit(code)
}
