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

export interface Told {
  readonly names: readonly string[]
  readonly removed: readonly string[]
}

/** What a response says, by name. */
export function namesOf({ resources, removed }: DeltaResponse): Told {
  return { names: resources.map(({ name }) => name), removed }
}
