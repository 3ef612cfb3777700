import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EventLoop } from '@ambient/event-loop'
import { closeDescriptor } from '@ambient/linux'
import { turnUntil } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { ZdsClient, ZdsServer } from './index.ts'

test('the README’s example runs', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'zds-readme-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'zds.sock')
  const said: string[] = []
  const netns = openSync('/proc/self/ns/net', 'r')
  using loop = new EventLoop()

  using server = new ZdsServer(loop, { path, onConnections: () => {}, onRefused: () => {} })
  server.hold({ uid: 'uid-1', info: { name: 'web', namespace: 'shop', serviceAccount: 'web' }, netns })
  const client = new ZdsClient(loop, {
    path,
    onConnected: () => {},
    onDisconnected: () => {},
    onProtocolError: () => {},
    onRequest: (request, ack) => {
      said.push(request.kind)
      if (request.kind === 'add') closeDescriptor(request.netns)
      ack()
    },
  })
  await turnUntil(loop, 'the snapshot', () => said.length === 2)
  expect(said).toEqual(['add', 'snapshot-sent'])
  client.close()
})
