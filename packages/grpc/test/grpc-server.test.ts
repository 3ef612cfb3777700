import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import {
  ChannelCredentials,
  Client,
  type ClientDuplexStream,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import { systemRandom } from '@ambient/lifecycle'
import { testCa, waitFor } from '@ambient/testkit'
import { expect, onTestFinished, test } from 'vitest'
import {
  deflateBody,
  type GrpcCredentials,
  GrpcError,
  type GrpcMethod,
  GrpcServer,
  type GrpcServerCall,
  type GrpcServerOptions,
  grpcStatus,
  gzipMessage,
  unaryMethod,
} from '../src/index.ts'
import { grpcLimits } from '../src/limits.ts'

const ca = await testCa()
const strangers = await testCa('strangers')
const UNARY = '/test.Echo/Unary'
const STREAM = '/test.Echo/Stream'
const same = (bytes: Buffer): Buffer => bytes

async function credentials(): Promise<GrpcCredentials> {
  const { certificateChainPem, privateKeyPem } = await ca.issue({ dnsNames: ['localhost'] })
  return { certificateChainPem, privateKeyPem, clientRootsPem: ca.rootPem }
}

async function serve(
  methods: Record<string, GrpcMethod>,
  options: Partial<GrpcServerOptions> = {},
): Promise<{ server: GrpcServer; faults: unknown[] }> {
  const faults: unknown[] = []
  const server = await GrpcServer.open({
    address: '127.0.0.1',
    port: 0,
    credentials: 'plaintext',
    methods,
    random: systemRandom,
    onFault: (cause) => void faults.push(cause),
    limits: { ...grpcLimits, graceMs: 100 },
    ...options,
  })
  onTestFinished(() => server[Symbol.asyncDispose]())
  return { server, faults }
}

function dial(
  { port }: GrpcServer,
  how: {
    roots?: string
    identity?: { certificateChainPem: string; privateKeyPem: string }
    gzip?: boolean
  } = {},
): Client {
  const channel = {
    'grpc.use_local_subchannel_pool': 1,
    ...(how.gzip ? { 'grpc.default_compression_algorithm': 2 } : {}),
  }
  const buffer = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text))
  const client = new Client(
    `localhost:${port}`,
    how.roots === undefined
      ? ChannelCredentials.createInsecure()
      : ChannelCredentials.createSsl(
          Buffer.from(how.roots),
          buffer(how.identity?.privateKeyPem),
          buffer(how.identity?.certificateChainPem),
        ),
    { ...channel, 'grpc.max_receive_message_length': -1 },
  )
  onTestFinished(() => client.close())
  return client
}

function ask(client: Client, request: Buffer, path = UNARY): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, request, new Metadata(), (error, answer) =>
      error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(error),
    )
  })
}

function open(client: Client): {
  stream: ClientDuplexStream<Buffer, Buffer>
  got: Buffer[]
  ends: (ServiceError | 'end')[]
} {
  const stream = client.makeBidiStreamRequest(STREAM, same, same, new Metadata())
  const got: Buffer[] = []
  const ends: (ServiceError | 'end')[] = []
  stream.on('error', (error: ServiceError) => void ends.push(error))
  stream.on('end', () => void ends.push('end'))
  onTestFinished(() => stream.cancel())
  return { stream, got, ends }
}

const echo: GrpcMethod = unaryMethod((request) => Promise.resolve(request))
const send = (call: GrpcServerCall, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) =>
    call.write({ pieces: [bytes], encoding: 'identity' }, (error) => (error ? reject(error) : resolve())),
  )
/** Answers each message with itself. */
const echoAll: GrpcMethod = async (call) => {
  for await (const request of call.requests()) await send(call, request)
}

test.each([
  { name: 'an empty message', bytes: Buffer.alloc(0) },
  { name: 'a small one', bytes: Buffer.from('hello') },
  { name: 'one that is sent in pieces', bytes: Buffer.alloc(3_000_000, 'abc') },
  { name: 'a compressed one', bytes: Buffer.alloc(100_000, 'x'), gzip: true },
])('GrpcServer answers $name', async ({ bytes, gzip }) => {
  const { server } = await serve({ [UNARY]: echo })
  const answer = await ask(dial(server, { gzip: gzip ?? false }), bytes)
  expect(answer.equals(bytes)).toBe(true)
})

test('GrpcServer carries many messages both ways in one call, and ends it when the client has', async () => {
  const { server } = await serve({ [STREAM]: echoAll })
  const { stream, got, ends } = open(dial(server))
  stream.on('data', (bytes: Buffer) => got.push(bytes))
  for (let n = 0; n < 100; n++) stream.write(Buffer.from(`message ${n}`))
  stream.end()
  await waitFor('the end', () => ends.length > 0)
  expect(ends).toEqual(['end'])
  expect(got.map(String)).toEqual(Array.from({ length: 100 }, (_, n) => `message ${n}`))
})

test.each<{
  name: string
  path?: string
  method?: GrpcMethod
  request?: Buffer
  code: number
  details: string
  fault?: string
}>([
  {
    name: 'a status of its method, with any text',
    method: () => Promise.reject(new GrpcError(grpcStatus.permissionDenied, '100 % nein: „ö“\n')),
    code: grpcStatus.permissionDenied,
    details: '100 % nein: „ö“\n',
  },
  {
    name: 'nothing of our own errors',
    method: () => Promise.reject(new Error('secret path')),
    code: grpcStatus.internal,
    details: 'internal error',
    fault: 'Error: secret path',
  },
  {
    name: 'that there is no such method',
    path: '/test.Echo/None',
    code: grpcStatus.unimplemented,
    details: 'unknown method /test.Echo/None',
  },
  {
    name: 'that a message is too large',
    request: Buffer.alloc(5000),
    code: grpcStatus.resourceExhausted,
    details: 'a message of 5000 bytes or more: at most 1000 are taken',
  },
])(
  'GrpcServer tells $name',
  async ({ path, method = echo, request = Buffer.from('x'), code, details, fault }) => {
    const { server, faults } = await serve(
      { [UNARY]: method },
      { limits: { ...grpcLimits, requestBytes: 1000 } },
    )
    await expect(ask(dial(server), request, path)).rejects.toMatchObject({ code, details })
    expect(faults.map(String)).toEqual(fault === undefined ? [] : [fault])
  },
)

test('GrpcServer bounds what a compressed message may become', async () => {
  const { server } = await serve({ [UNARY]: echo }, { limits: { ...grpcLimits, requestBytes: 10_000 } })
  await expect(ask(dial(server, { gzip: true }), Buffer.alloc(1_000_000))).rejects.toMatchObject({
    code: grpcStatus.resourceExhausted,
  })
})

test('GrpcServer sends a compressed body with a tail of its own, and only to who accepts it', async () => {
  const body = Buffer.from('the same thing '.repeat(10_000))
  const deflated = await deflateBody(body)
  const tails = [Buffer.alloc(0), Buffer.from('tail'), Buffer.alloc(200_000, 't')]
  const { server } = await serve({
    [STREAM]: async (call) => {
      expect(call.acceptsGzip).toBe(true)
      for (const tail of tails) {
        const pieces = gzipMessage(deflated, tail)
        await new Promise((resolve) => call.write({ pieces, encoding: 'gzip' }, resolve))
      }
      await send(call, Buffer.from('plain'))
    },
  })
  const { stream, got, ends } = open(dial(server))
  stream.on('data', (bytes: Buffer) => got.push(bytes))
  await waitFor('the end', () => ends.length > 0)
  expect(ends).toEqual(['end'])
  expect(got.map((bytes) => bytes.length)).toEqual([...tails.map((tail) => body.length + tail.length), 5])
  for (const [at, tail] of tails.entries()) expect(got[at]?.equals(Buffer.concat([body, tail]))).toBe(true)
  expect(deflated.deflated.length).toBeLessThan(body.length / 50)
})

test('GrpcServer tells a method of a client that went away, and can cut one that does not read', async () => {
  const calls: GrpcServerCall[] = []
  const { server } = await serve({
    [STREAM]: async (call) => {
      calls.push(call)
      for await (const _ of call.requests()) continue
    },
  })
  const gone = open(dial(server))
  await waitFor('the first call', () => calls.length === 1)
  gone.stream.cancel()
  await waitFor('the first call to be over', () => calls[0]?.over.aborted)
  const slow = open(dial(server))
  await waitFor('the second call', () => calls.length === 2)
  let written = 0
  for (let n = 0; n < 200; n++)
    calls[1]?.write({ pieces: [Buffer.alloc(100_000)], encoding: 'identity' }, (error) => {
      if (!error) written++
    })
  calls[1]?.cancel()
  await waitFor('the second client to know', () => slow.ends.length > 0)
  expect(slow.ends[0]).toMatchObject({ code: grpcStatus.cancelled })
  expect(written).toBeLessThan(200)
})

test('GrpcServer takes a new certificate for new connections and drops none of the old', async () => {
  const { server } = await serve({ [STREAM]: echoAll, [UNARY]: echo }, { credentials: await credentials() })
  const serial = async (): Promise<string> => {
    const socket = connectTls({
      port: server.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: ca.rootPem,
      ALPNProtocols: ['h2'],
    })
    await new Promise((resolve) => socket.once('secureConnect', resolve))
    const { serialNumber } = socket.getPeerX509Certificate() ?? expect.fail('no certificate')
    socket.destroy()
    return serialNumber
  }
  const before = await serial()
  const { stream, got } = open(dial(server, { roots: ca.rootPem }))
  stream.on('data', (bytes: Buffer) => got.push(bytes))
  stream.write(Buffer.from('one'))
  await waitFor('the first answer', () => got.length === 1)
  const fresh = await credentials()
  server.setCredentials(fresh)
  expect(await serial()).toBe(new X509Certificate(fresh.certificateChainPem).serialNumber)
  expect(await serial()).not.toBe(before)
  stream.write(Buffer.from('two'))
  await waitFor('the second answer', () => got.length === 2)
})

test('GrpcServer knows a client by a certificate of its client roots, and serves one without', async () => {
  const seen: (string | undefined)[] = []
  const method = unaryMethod((request, { certificate }) => {
    seen.push(certificate === undefined ? undefined : new X509Certificate(certificate).subjectAltName)
    return Promise.resolve(request)
  })
  const { server } = await serve({ [UNARY]: method }, { credentials: await credentials() })
  const uri = 'spiffe://cluster.local/ns/shop/sa/web'
  const known = await ca.issue({ uris: [uri] })
  const stranger = await strangers.issue({ uris: [uri] })
  for (const identity of [known, undefined, stranger])
    await ask(
      dial(server, { roots: ca.rootPem, ...(identity === undefined ? {} : { identity }) }),
      Buffer.from('x'),
    )
  expect(seen).toEqual([`URI:${uri}`, undefined, undefined])
})

test('GrpcServer ends the calls of an old connection, and at its own end all, so that clients go elsewhere', async () => {
  const { server } = await serve(
    { [STREAM]: echoAll },
    { limits: { ...grpcLimits, sessionAgeMs: 50 }, random: { float: () => 0.5 } },
  )
  const old = open(dial(server))
  await waitFor('the end of the call', () => old.ends.length > 0)
  expect(old.ends[0]).toMatchObject({ code: 14, details: 'transport is closing: the connection is old' })
  const { server: other } = await serve({ [STREAM]: echoAll })
  const { stream, got, ends } = open(dial(other))
  stream.on('data', (bytes: Buffer) => got.push(bytes))
  stream.write(Buffer.from('one'))
  await waitFor('the first answer', () => got.length === 1)
  const idle = connectHttp2(`http://127.0.0.1:${other.port}`)
  onTestFinished(() => idle.destroy())
  await once(idle, 'remoteSettings')
  const goneAway = once(idle, 'goaway')
  await other[Symbol.asyncDispose]()
  expect((await goneAway)[0]).toBe(0)
  await waitFor('the end of the other', () => ends.length > 0)
  expect(ends[0]).toMatchObject({ code: 14, details: 'transport is closing: the server stops' })
})

test('GrpcServer does not wait at its end for connections that never say anything', async () => {
  const { server } = await serve(
    { [UNARY]: echo },
    { credentials: await credentials(), limits: { ...grpcLimits, graceMs: 50, handshakeMs: 3_600_000 } },
  )
  const mute = connectTcp(server.port, '127.0.0.1')
  const closed = new Promise((resolve) => mute.once('close', resolve))
  mute.on('error', () => {}) // a reset, maybe
  await ask(dial(server, { roots: ca.rootPem }), Buffer.from('x')) // accepted after it
  await server[Symbol.asyncDispose]()
  await closed
})

test('GrpcServer keeps a connection that answers pings and closes one that does not', async () => {
  const { server } = await serve(
    { [UNARY]: echo },
    { limits: { ...grpcLimits, keepaliveMs: 20, keepaliveAnswerMs: 20 } },
  )
  const session = connectHttp2(`http://127.0.0.1:${server.port}`)
  onTestFinished(() => session.destroy())
  const mute = connectTcp(server.port, '127.0.0.1')
  const EMPTY_SETTINGS = '\0\0\0\x04\0\0\0\0\0'
  mute.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${EMPTY_SETTINGS}`)
  mute.resume()
  await new Promise((resolve) => mute.once('close', resolve))
  expect([session.closed, session.destroyed]).toEqual([false, false])
})

test('GrpcServer answers what is no gRPC with 415', async () => {
  const { server } = await serve({})
  const session = connectHttp2(`http://127.0.0.1:${server.port}`)
  onTestFinished(() => session.destroy())
  const status = await new Promise((resolve) => {
    session.request({ ':path': '/' }).on('response', (headers) => resolve(headers[':status']))
  })
  expect(status).toBe(415)
})
