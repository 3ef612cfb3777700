import { ConfigError, type Env, integer } from './env-values.ts'

/**
 * How many byte threads there are: as many as somebody says, or as many cores as we may use, or a quarter of those there
 * are, at least two.
 *
 * @param concurrency What the settings of all proxies say.
 * @throws {ConfigError}
 */
export function workerThreads(env: Env, hostCpus: number, concurrency: number | undefined): number {
  const cpus = cores(env, 'ZTUNNEL_CPU_LIMIT') ?? hostCpus
  const limit = cores(env, 'ZTUNNEL_RESOURCE_CPU_LIMIT')
  const request = cores(env, 'ZTUNNEL_RESOURCE_CPU_REQUEST') ?? 0
  const share = /^(\d{1,4})%$/.exec(env['ZTUNNEL_WORKER_THREADS'] ?? '')
  if (share !== null) return Math.max(1, Math.ceil((Number(share[1]) * cpus) / 100))
  const count = integer(env, 'ZTUNNEL_WORKER_THREADS', concurrency, { min: 0, max: 1024 })
  if (count !== undefined) return count === 0 ? cpus : count
  return limit === undefined ? Math.max(Math.ceil(cpus / 4), request, 2) : Math.max(limit, request)
}

/** A quantity of Kubernetes, such as `2`, `1.5` or `500m`, in whole cores, at least one. */
function cores(env: Env, name: string): number | undefined {
  const text = env[name] ?? ''
  if (text === '') return undefined
  const [, number = '', milli = ''] = /^(\d{1,6}(?:\.\d{1,9})?)(m?)$/.exec(text) ?? []
  if (number === '')
    throw new ConfigError(`Cannot use ${name} "${text}": expected a number of cores such as 2, 1.5 or 500m`)
  return Math.max(1, Math.ceil(Number(number) / (milli === '' ? 1 : 1000)))
}
