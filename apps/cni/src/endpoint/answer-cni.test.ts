import { expect, test } from 'vitest'
import { CniError } from '../cni-error.ts'
import { answerCni, type CniActions } from './answer-cni.ts'
import { type CniRequest, cniVersions } from './cni-request.ts'

const request: CniRequest = {
  command: 'ADD',
  containerId: 'c1',
  netnsPath: '/run/netns/x',
  interfaceName: 'eth0',
  pod: { namespace: 'shop', name: 'web', uid: 'u1' },
  cniVersion: '1.0.0',
  prevResult: '{ "ips": [] }',
  ips: ['10.0.0.2'],
  readyWithoutAgent: false,
  validContainers: ['c2'],
}

function actions(change: Partial<CniActions> = {}): {
  readonly actions: CniActions
  readonly calls: string[]
} {
  const calls: string[] = []
  const note = (call: string): Promise<void> => Promise.resolve(void calls.push(call))
  return {
    calls,
    actions: {
      isReady: true,
      judge: () => Promise.resolve('enrol'),
      enrol: () => note('enrol'),
      check: () => note('check'),
      detach: (id) => note(`detach ${id}`),
      detachAllBut: (ids) => note(`detach all but ${ids.join()}`),
      ...change,
    },
  }
}

test.each([
  { command: 'ADD', since: '0.3.0', calls: ['enrol'], body: '{ "ips": [] }' },
  { command: 'CHECK', since: '0.4.0', calls: ['check'], body: '' },
  { command: 'DEL', since: '0.3.0', calls: ['detach c1'], body: '' },
  { command: 'GC', since: '1.1.0', calls: ['detach all but c2'], body: '' },
  { command: 'STATUS', since: '1.1.0', calls: [], body: '' },
])('answerCni() carries out $command in versions from $since on', async ({ command, since, calls, body }) => {
  for (const cniVersion of cniVersions) {
    const fake = actions()
    const answer = await answerCni({ ...request, cniVersion, command }, fake.actions)
    const isThere = cniVersion >= since // no part of them has two digits
    if (isThere) expect(answer).toEqual({ exit: 0, body })
    else expect(JSON.parse(answer.body)).toMatchObject({ cniVersion, code: 1 })
    expect(fake.calls).toEqual(isThere ? calls : [])
  }
})

test('answerCni() succeeds with STATUS before the agent is ready where the node’s network shall not depend on it', async () => {
  const status = { ...request, cniVersion: '1.1.0', command: 'STATUS', readyWithoutAgent: true }
  expect(await answerCni(status, actions({ isReady: false }).actions)).toEqual({ exit: 0, body: '' })
})

test.each(cniVersions)(
  'answerCni() answers in version %s, also without an earlier result',
  async (cniVersion) => {
    const fake = actions({ judge: () => Promise.resolve('pass') })
    expect(await answerCni({ ...request, cniVersion, prevResult: undefined }, fake.actions)).toEqual({
      exit: 0,
      body: `{"cniVersion":"${cniVersion}"}`,
    })
    expect(fake.calls).toEqual([])
  },
)

test.each([
  { name: 'a version of before', change: { cniVersion: '0.2.0' }, fake: {}, code: 1 },
  { name: 'a missing container', change: { containerId: '' }, fake: {}, code: 4 },
  { name: 'a container that is none', change: { containerId: '../x' }, fake: {}, code: 4 },
  { name: 'a missing interface', change: { interfaceName: '' }, fake: {}, code: 4 },
  {
    name: 'an interface that is none',
    change: { command: 'DEL', interfaceName: 'eth0/../x' },
    fake: {},
    code: 4,
  },
  { name: 'a missing netns', change: { netnsPath: '' }, fake: {}, code: 4 },
  { name: 'an unknown command', change: { command: 'UP' }, fake: {}, code: 4 },
  {
    name: 'an unknown pod',
    change: {},
    fake: { judge: () => Promise.reject(new CniError('POD_NOT_FOUND', 'who')) },
    code: 11,
  },
  {
    name: 'a failed enrolment',
    change: {},
    fake: { enrol: () => Promise.reject(new CniError('ZDS_REFUSED', 'no')) },
    code: 11,
  },
  {
    name: 'a fault of ours',
    change: {},
    fake: { enrol: () => Promise.reject(new TypeError('oops')) },
    code: 11,
  },
  {
    name: 'rules that are not whole',
    change: { command: 'CHECK' },
    fake: { check: () => Promise.reject(new CniError('RULES_NOT_VERIFIED', 'gone')) },
    code: 100,
  },
  {
    name: 'an agent that is not ready',
    change: { command: 'STATUS', cniVersion: '1.1.0' },
    fake: { isReady: false },
    code: 50,
  },
])('answerCni() answers $name with error $code', async ({ change, fake, code }) => {
  const { exit, body } = await answerCni({ ...request, ...change }, actions(fake).actions)
  expect(exit).toBe(1)
  expect(JSON.parse(body)).toMatchObject({ cniVersion: change.cniVersion ?? '1.0.0', code })
})
