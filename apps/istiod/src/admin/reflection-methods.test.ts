import { GrpcServer, grpcStatus, openChannel } from '@ambient/grpc'
import { systemRandom } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import {
  decodeReflectionResponse,
  encodeReflectionRequest,
  encodeReflectionResponse,
  REFLECTION_PATHS,
  type ReflectionAnswer,
  type ReflectionQuestion,
} from '@ambient/xds-proto'
import { expect, test } from 'vitest'
import { reflectionMethods } from './reflection-methods.ts'

/** Asks all of `questions` on one stream, each when the one before is answered. */
async function ask(path: string, questions: readonly ReflectionQuestion[]): Promise<ReflectionAnswer[]> {
  await using server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: 'plaintext',
    methods: reflectionMethods(['/shop.Cart/Count', '/shop.Cart/Add', '/istio.v1.auth.Other/Do']),
    random: systemRandom,
    onFault: (cause) => expect.fail(String(cause)),
  })
  const client = openChannel({
    address: { host: '127.0.0.1', port: server.port, plaintext: true },
    altHostname: undefined,
    rootsPem: '',
    maxMessageBytes: 1 << 20,
  })
  const stream = client.makeBidiStreamRequest(path, encodeReflectionRequest, decodeReflectionResponse)
  const answers: ReflectionAnswer[] = []
  const failures: unknown[] = []
  stream.on('data', (answer: ReflectionAnswer) => answers.push(answer))
  stream.on('error', (error) => failures.push(error))
  for (const [at, question] of questions.entries()) {
    stream.write(question)
    await waitFor(`answer ${at}`, () => answers.length > at || failures.length > 0)
    if (failures.length > 0) expect.fail(String(failures[0]))
  }
  stream.end()
  client.close()
  return answers
}

test.each(REFLECTION_PATHS)('reflectionMethods() answers at %s every question of a stream', async (path) => {
  const answers = await ask(path, [
    { kind: 'services' },
    { kind: 'symbol', name: 'envoy.service.discovery.v3.AggregatedDiscoveryService' },
    { kind: 'file', name: 'ca.proto' },
    { kind: 'symbol', name: 'shop.Cart' },
    { kind: 'file', name: 'toString' },
    { kind: 'other' },
  ])
  expect(answers[0]).toEqual({
    kind: 'services',
    names: [
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'istio.v1.auth.Other',
      'shop.Cart',
    ],
  })
  expect(answers[1]).toMatchObject({ kind: 'files' })
  expect(answers[2]).toMatchObject({ kind: 'files' })
  expect(answers.slice(3)).toEqual([
    { kind: 'error', code: grpcStatus.notFound, message: 'no symbol of that name' },
    { kind: 'error', code: grpcStatus.notFound, message: 'no file of that name' },
    { kind: 'error', code: grpcStatus.notFound, message: 'there are no extensions' },
  ])
})

test('encodeReflectionResponse() gives a question back with its answer', () => {
  const question = encodeReflectionRequest({ kind: 'symbol', name: 'shop.Cart' })
  const answer = encodeReflectionResponse({ kind: 'services', names: [] }, question)
  expect(answer.includes(question)).toBe(true)
})
