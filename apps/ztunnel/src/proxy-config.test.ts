import { expect, test } from 'vitest'
import { readConfig } from './config.ts'
import { ConfigError } from './env-values.ts'
import { loadProxyConfig } from './proxy-config.ts'

const load = (env: Readonly<Record<string, string>>, mesh?: string) =>
  loadProxyConfig(env, (path) => (path === './etc/istio/config/mesh' ? mesh : undefined))

test('loadProxyConfig() takes what a node proxy goes by, the own over the mesh’s', async () => {
  const mesh = `
accessLogFile: /dev/stdout
defaultConfig:
  discoveryAddress: istiod:15012
  proxyAdminPort: 16000
  statsPort: 16020
  concurrency: 3
  tracing: {}
  proxyMetadata: { A: mesh, ISTIO_META_B: mesh }
`
  const own = '{ concurrency: 0, drainDuration: 45s, proxyMetadata: { A: own } }'
  expect(await load({ PROXY_CONFIG: own }, mesh)).toEqual({
    discoveryAddress: 'istiod:15012',
    adminPort: 16_000,
    statsPort: 16_020,
    concurrency: 0,
    metadata: { A: 'own', B: 'mesh' },
  })
  expect(await load({})).toEqual({})
})

test.each([
  { PROXY_CONFIG: 'concurrency: many' },
  { PROXY_CONFIG: 'concurrency: -1' },
  { PROXY_CONFIG: 'statsPort: 70000' },
  { PROXY_CONFIG: 'a: [' },
  { PROXY_CONFIG: 'proxyMetadata: [a]' },
])('%o is refused, by name', async (env) => {
  await expect(load(env)).rejects.toThrow(ConfigError)
  await expect(load(env)).rejects.toThrow('PROXY_CONFIG')
})

test('a variable of its own wins over what all proxies are told', async () => {
  const text = `
discoveryAddress: istiod.other:15012
concurrency: 3
proxyMetadata: { CLUSTER_ID: east, DNS_CAPTURE: 'false', A: a }
`
  const host = {
    cpus: 8,
    fileExists: () => false,
    resolvConf: '',
    proxyConfig: await load({ PROXY_CONFIG: text }),
  }
  expect(readConfig({}, host)).toMatchObject({
    xds: { address: { host: 'istiod.other', port: 15012 } },
    ca: { address: { host: 'localhost' } },
    clusterId: 'east',
    dns: undefined,
    metadata: { A: 'a' },
    workerThreads: 3,
    adminPort: 15_000,
    statsPort: 15_020,
  })
  const env = {
    XDS_ADDRESS: 'https://xds:1',
    ISTIO_META_CLUSTER_ID: 'west',
    ISTIO_META_A: 'own',
    ZTUNNEL_WORKER_THREADS: '2',
  }
  expect(readConfig(env, host)).toMatchObject({
    xds: { address: { host: 'xds' } },
    clusterId: 'west',
    metadata: { A: 'own' },
    workerThreads: 2,
  })
})
