import { expect, test } from 'vitest'
import { type Host, readConfig, type ZtunnelConfig } from './config.ts'
import { ConfigError, type Env } from './env-values.ts'
import { ENVIRONMENT, withoutEffect } from './environment.ts'
import { loadProxyConfig } from './proxy-config.ts'

const HOST: Host = { cpus: 4, proxyConfig: {}, fileExists: () => false, resolvConf: 'nameserver 10.96.0.10' }
const of = (status: string) => Object.entries(ENVIRONMENT).filter(([, row]) => row.status === status)
const named = (name: string): string => name.replace('*', 'A')

/** As the process reads it, without a file. */
async function read(env: Env): Promise<ZtunnelConfig> {
  return readConfig(env, { ...HOST, proxyConfig: await loadProxyConfig(env, () => undefined) })
}

test.each(of('read'))('%s is read', async (name, { example, alongside }) => {
  const changed = await read({ ...alongside, [named(name)]: example })
  // Without the variable itself: what goes with it may need it.
  const without = name in { PROXY_MODE: 1, PROXY_WORKLOAD_INFO: 1 } ? {} : { ...alongside }
  expect(changed).not.toEqual(await read(without))
})

test.each(of('refused'))('%s is refused, by name', (name, { example }) => {
  expect(() => readConfig({ [name]: example }, HOST)).toThrow(ConfigError)
  expect(() => readConfig({ [name]: example }, HOST)).toThrow(name)
})

test.each(of('without effect'))('%s changes nothing, and whoever sets it is told', (name, { example }) => {
  expect(readConfig({ [name]: example }, HOST)).toEqual(readConfig({}, HOST))
  expect(withoutEffect({ [name]: example, NODE_NAME: 'a' })).toEqual([name])
})

test('no variable is read that is not in the table', async () => {
  const asked = new Set<string>()
  const env = new Proxy<Record<string, string>>(
    { PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'a/b/c' },
    {
      get: (target, name) => {
        if (typeof name === 'string') asked.add(name)
        return Reflect.get(target, name) as unknown
      },
    },
  )
  await read(env)
  expect(asked.size).toBeGreaterThan(20)
  expect([...asked].filter((name) => !(name in ENVIRONMENT))).toEqual([])
})
