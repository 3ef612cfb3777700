import { expect, test } from 'vitest'
import { ConfigError } from './env-values.ts'
import { workerThreads } from './worker-threads.ts'

test.each([
  { cpus: 2, env: {}, expected: 2 },
  { cpus: 32, env: {}, expected: 8 },
  { cpus: 32, env: { ZTUNNEL_CPU_LIMIT: '12' }, expected: 3 },
  { cpus: 32, env: { ZTUNNEL_RESOURCE_CPU_LIMIT: '1500m' }, expected: 2 },
  { cpus: 32, env: { ZTUNNEL_RESOURCE_CPU_LIMIT: '100m' }, expected: 1 },
  {
    cpus: 32,
    env: { ZTUNNEL_RESOURCE_CPU_LIMIT: '2', ZTUNNEL_RESOURCE_CPU_REQUEST: '3.5' },
    expected: 4,
  },
  { cpus: 8, env: { ZTUNNEL_RESOURCE_CPU_REQUEST: '5' }, expected: 5 },
  { cpus: 8, env: { ZTUNNEL_RESOURCE_CPU_REQUEST: '200m' }, expected: 2 },
  { cpus: 8, env: {}, concurrency: 5, expected: 5 },
  { cpus: 8, env: {}, concurrency: 0, expected: 8 },
  { cpus: 8, env: { ZTUNNEL_WORKER_THREADS: '3' }, concurrency: 5, expected: 3 },
  { cpus: 8, env: { ZTUNNEL_WORKER_THREADS: '0' }, concurrency: 5, expected: 8 },
  { cpus: 8, env: { ZTUNNEL_WORKER_THREADS: '30%' }, concurrency: 5, expected: 3 },
  { cpus: 32, env: { ZTUNNEL_WORKER_THREADS: '50%', ZTUNNEL_CPU_LIMIT: '4' }, expected: 2 },
  { cpus: 8, env: { ZTUNNEL_WORKER_THREADS: '1%', ZTUNNEL_RESOURCE_CPU_LIMIT: '4' }, expected: 1 },
])('workerThreads() of $env on $cpus cores, concurrency $concurrency', (row) => {
  expect(workerThreads(row.env, row.cpus, row.concurrency)).toBe(row.expected)
})

test.each([
  { ZTUNNEL_WORKER_THREADS: 'many' },
  { ZTUNNEL_WORKER_THREADS: '2000' },
  { ZTUNNEL_CPU_LIMIT: '2 cores' },
  { ZTUNNEL_RESOURCE_CPU_LIMIT: '1.m' },
  { ZTUNNEL_RESOURCE_CPU_REQUEST: '-1' },
])('%o is refused, by name', (env) => {
  expect(() => workerThreads(env, 2, undefined)).toThrow(ConfigError)
  expect(() => workerThreads(env, 2, undefined)).toThrow(Object.keys(env)[0])
})
