import { type ClientHttp2Stream, connect } from 'node:http2'
import { ChannelCredentials, Client, type ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import {
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResponse,
  type DiscoveryNode,
  encodeDeltaRequest,
} from '@ambient/xds-proto'
import { onTestFinished } from 'vitest'

export type Request = Partial<DeltaRequest> & { typeUrl: string }
export const node: DiscoveryNode = { id: 'ztunnel~10.0.0.9~zt.istio-system~x', metadata: {} }

export interface RawClient {
  readonly stream: ClientDuplexStream<Request, DeltaResponse>
  /** What came since `read`. */
  readonly got: DeltaResponse[]
  readonly failures: { readonly code: number; readonly details: string }[]
  read(): void
}

/** A client over plaintext that does exactly what the test says; ends with the test. */
export function open(port: number): RawClient {
  const client = new Client(`127.0.0.1:${port}`, ChannelCredentials.createInsecure())
  const stream: RawClient['stream'] = client.makeBidiStreamRequest(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    decodeDeltaResponse,
    new Metadata(),
  )
  const got: DeltaResponse[] = []
  const failures: { code: number; details: string }[] = []
  stream.on('error', (error) => void failures.push(error as unknown as { code: number; details: string }))
  onTestFinished(() => {
    stream.cancel()
    client.close()
  })
  return {
    stream,
    got,
    failures,
    read: () => void stream.on('data', (response: DeltaResponse) => got.push(response)),
  }
}

/** A client that asks and never reads: unlike one of gRPC's, which takes what comes while nobody listens. */
export function openStuck(port: number, request: Request): ClientHttp2Stream {
  const session = connect(`http://127.0.0.1:${port}`)
  const stream = session.request({
    ':method': 'POST',
    ':path': DELTA_AGGREGATED_PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.on('error', () => {})
  const body = encodeDeltaRequest(request)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(body.length, 1)
  stream.write(Buffer.concat([prefix, body]))
  onTestFinished(() => session.destroy())
  return stream
}

export interface Told {
  readonly names: readonly string[]
  readonly removed: readonly string[]
}

/** What a response says, by name. */
export function namesOf({ resources, removed }: DeltaResponse): Told {
  return { names: resources.map(({ name }) => name), removed }
}
