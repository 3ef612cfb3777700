import { expect, test } from 'vitest'
import { type Host, readConfig } from './config.ts'
import { ConfigError } from './env-values.ts'
import { ENVIRONMENT, withoutEffect } from './environment.ts'

const HOST: Host = { cpus: 4, fileExists: () => false, resolvConf: 'nameserver 10.96.0.10' }
const of = (status: string) => Object.entries(ENVIRONMENT).filter(([, row]) => row.status === status)
const named = (name: string): string => name.replace('*', 'A')

test.each(of('read'))('%s is read', (name, { example, alongside }) => {
  const changed = readConfig({ ...alongside, [named(name)]: example }, HOST)
  // Without the variable itself: what goes with it may need it.
  const without =
    name in { PROXY_MODE: 1, PROXY_WORKLOAD_INFO: 1 }
      ? readConfig({}, HOST)
      : readConfig({ ...alongside }, HOST)
  expect(changed).not.toEqual(without)
})

test.each(of('refused'))('%s is refused, by name', (name, { example }) => {
  expect(() => readConfig({ [name]: example }, HOST)).toThrow(ConfigError)
  expect(() => readConfig({ [name]: example }, HOST)).toThrow(name)
})

test.each(of('without effect'))('%s changes nothing, and whoever sets it is told', (name, { example }) => {
  expect(readConfig({ [name]: example }, HOST)).toEqual(readConfig({}, HOST))
  expect(withoutEffect({ [name]: example, NODE_NAME: 'a' })).toEqual([name])
})

test('no variable is read that is not in the table', () => {
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
  readConfig(env, HOST)
  expect(asked.size).toBeGreaterThan(20)
  expect([...asked].filter((name) => !(name in ENVIRONMENT))).toEqual([])
})
