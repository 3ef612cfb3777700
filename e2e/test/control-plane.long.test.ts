/** What the mesh does while its control plane comes and goes: two istiods on one directory. */
import { Lab } from '@ambient/lab'
import type { LabPod } from '@ambient/lab'
import { requireRoot } from '@ambient/testkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answerFor, curl, enrolShop, policyYaml, SHOP } from '../shop.ts'
import { SteadyLoad } from '../steady-load.ts'

requireRoot()

const CONNECTIONS_A_SECOND = 500
const ISTIODS = ['istiod', 'istiod-2'] as const
/** What happens within a second takes longer on a machine with much else to do. */
const SOON_MS = 20_000
/** A pod of an account that no ztunnel has a certificate of yet. */
const NEWCOMER = `apiVersion: v1
kind: Pod
metadata: { name: newcomer, namespace: shop }
spec:
  nodeName: node1
  serviceAccountName: newcomer
  containers: [{ name: idle, command: [sleep, infinity] }]
`
let lab: Lab
const pod = (name: string): LabPod => lab.pod(`shop/${name}`)
const ask = (from: string): Promise<string> => curl(lab, `shop/${from}`, 3)
const answer = (from: string): string => answerFor(lab, `shop/${from}`)

beforeAll(async () => {
  lab = await Lab.up({ nodes: 2, istiods: ISTIODS.length, manifests: [SHOP] })
  await lab.ready()
  await enrolShop(lab)
  await letIn('client')
})
afterAll(() => lab.down())

async function letIn(from: string): Promise<void> {
  await lab.waitFor(`${from} to be let in`, async () => (await ask(from)) === answer(from), SOON_MS)
}

async function refused(from: string): Promise<void> {
  await lab.waitFor(`${from} to be refused`, async () => (await ask(from)) === '', SOON_MS)
}

/** New connections all the while; not one of them may fail. */
async function underLoad(during: (load: SteadyLoad) => Promise<void>): Promise<void> {
  const load = await SteadyLoad.start(lab, pod('client'), { to: pod('web'), rate: CONNECTIONS_A_SECOND })
  await during(load)
  const { answered, failed, seconds, lastFailure } = await load.end()
  const rate = (answered / seconds).toFixed(0)
  process.stdout.write(
    `${answered} connections in ${seconds.toFixed(1)} s, ${rate} a second, ${failed} failed\n`,
  )
  expect({ failed, lastFailure }).toEqual({ failed: 0, lastFailure: '' })
}

/** The istiod that more ztunnels have a stream to: the one that is missed. */
async function busiest(): Promise<string> {
  const [first, second] = await Promise.all([clientsOf('istiod', 15_014), clientsOf('istiod-2', 15_114)])
  return first >= second ? 'istiod' : 'istiod-2'
}

async function clientsOf(istiod: string, monitoringPort: number): Promise<number> {
  const { body } = await lab.httpGet(istiod, monitoringPort, '/debug/syncz')
  return body.split('"proxy":"ztunnel-').length - 1
}

test('two istiods on one directory, one killed: no connection fails, policies and new identities come from the other', async () => {
  const missed = lab.app(await busiest())
  await underLoad(async (load) => {
    await missed.kill('SIGKILL')
    const killedMs = performance.now()
    lab.apply(policyYaml('only-client', 'ALLOW', 'client'))
    await refused('other')
    process.stdout.write(
      `a policy in force ${(performance.now() - killedMs).toFixed(0)} ms after the kill, curl included\n`,
    )
    await load.goesOn('with one of two')
    await lab.delete('authorizationpolicy/shop/only-client')
    lab.apply(NEWCOMER)
    await letIn('newcomer')
    await letIn('other')
  })
  await missed.start()
  await missed.ready()
})

test('every istiod restarted under 500 connections a second: none fails, policies in force go on, changes arrive after', async () => {
  await underLoad(async (load) => {
    await Promise.all([lab.app('istiod').kill('SIGTERM'), lab.app('istiod-2').kill('SIGKILL')])
    await load.goesOn('with no istiod')
    await letIn('client')
    await letIn('other')
    lab.apply(policyYaml('only-client', 'ALLOW', 'client'))
    await Promise.all(ISTIODS.map((name) => lab.app(name).start()))
    await Promise.all(ISTIODS.map((name) => lab.app(name).ready()))
    await refused('other')
    await load.goesOn('with istiods again')
  })
  await letIn('client')
  await lab.delete('authorizationpolicy/shop/only-client')
  await letIn('other')
})
