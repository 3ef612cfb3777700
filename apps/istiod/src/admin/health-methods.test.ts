import { GrpcServer, grpcStatus, openChannel } from '@ambient/grpc'
import { systemRandom } from '@ambient/lifecycle'
import { waitFor } from '@ambient/testkit'
import {
  decodeHealthResponse,
  encodeHealthRequest,
  HEALTH_CHECK_PATH,
  HEALTH_WATCH_PATH,
  type HealthStatus,
} from '@ambient/xds-proto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { healthMethods } from './health-methods.ts'

let server: GrpcServer
let client: ReturnType<typeof openChannel>

beforeAll(async () => {
  server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: 'plaintext',
    methods: healthMethods(['/shop.Cart/Count', '/shop.Cart/Add']),
    random: systemRandom,
    onFault: (cause) => expect.fail(String(cause)),
  })
  client = openChannel({
    address: { host: '127.0.0.1', port: server.port, plaintext: true },
    altHostname: undefined,
    rootsPem: '',
    maxMessageBytes: 1024,
  })
})
afterAll(async () => {
  client.close()
  await server[Symbol.asyncDispose]()
})

function check(service: string): Promise<HealthStatus | undefined> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      HEALTH_CHECK_PATH,
      encodeHealthRequest,
      decodeHealthResponse,
      service,
      (error, status) => (error === null ? resolve(status) : reject(error)),
    )
  })
}

test('healthMethods() says that the server and its services are serving, and knows no others', async () => {
  expect(await check('')).toBe('serving')
  expect(await check('shop.Cart')).toBe('serving')
  await expect(check('shop.Till')).rejects.toMatchObject({ code: grpcStatus.notFound })
})

test.each([
  ['shop.Cart', 'serving'],
  ['shop.Till', 'service-unknown'],
])(
  'healthMethods() answers a watch of %s with %s, and keeps it open until the client leaves',
  async (service, status) => {
    const watch = client.makeServerStreamRequest(
      HEALTH_WATCH_PATH,
      encodeHealthRequest,
      decodeHealthResponse,
      service,
    )
    const told: string[] = []
    watch.on('data', (said: HealthStatus) => told.push(said))
    watch.on('error', ({ code }: { readonly code: number }) => told.push(`error ${code}`))
    await waitFor('the first status', () => told.length > 0)
    expect(await check('')).toBe('serving') // an answer later, the watch is still open
    expect(told).toEqual([status])
    watch.cancel()
    await waitFor('the end of the watch', () => told.length > 1)
    expect(told).toEqual([status, `error ${grpcStatus.cancelled}`])
  },
)
