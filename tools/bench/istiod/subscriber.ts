import { callMetadata, type ControlPlaneOptions, openChannel } from '@ambient/grpc'
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from '@ambient/xds'
import {
  decodeDeltaResponse,
  DELTA_AGGREGATED_PATH,
  type DeltaRequest,
  type DeltaResponse,
  encodeDeltaRequest,
} from '@ambient/xds-proto'

export interface SubscriberOptions extends ControlPlaneOptions {
  readonly node: string
  /** Told of each response after the first of its type, as soon as its bytes are there. */
  readonly onPush: (response: DeltaResponse, atMs: number) => void
}

/** A node proxy as the control plane sees one: it subscribes to both types, acknowledges, and does nothing with them. */
export interface Subscriber extends Disposable {
  /** Settles when both first answers are there; how many resources that were, and how many bytes. */
  readonly synced: Promise<{ readonly resources: number; readonly bytes: number }>
}

type Request = Partial<DeltaRequest> & Pick<DeltaRequest, 'typeUrl'>

const MAX_BYTES = 1 << 28

export async function subscribe(options: SubscriberOptions): Promise<Subscriber> {
  const rootsPem = await options.roots()
  const client = openChannel({ ...options, rootsPem, maxMessageBytes: MAX_BYTES })
  const stream = client.makeBidiStreamRequest<Request, Buffer>(
    DELTA_AGGREGATED_PATH,
    encodeDeltaRequest,
    (bytes) => bytes,
    await callMetadata(options),
  )
  const first = new Map<string, number>()
  let received = 0
  const { promise, resolve, reject } = Promise.withResolvers<{ resources: number; bytes: number }>()
  promise.catch(() => {}) // for those who do not ask
  stream.on('error', reject)
  stream.on('data', (bytes: Buffer) => {
    const atMs = performance.now()
    const response = decodeDeltaResponse(bytes)
    const { typeUrl, nonce, resources } = response
    stream.write({ typeUrl, nonce })
    if (first.has(typeUrl)) return options.onPush(response, atMs)
    first.set(typeUrl, resources.length)
    received += bytes.length
    if (first.size === 2) resolve({ resources: [...first.values()].reduce((a, b) => a + b), bytes: received })
  })
  const node = {
    id: `ztunnel~10.0.0.1~ztunnel-${options.node}.istio-system~istio-system.svc.cluster.local`,
    metadata: { NODE_NAME: options.node },
  }
  for (const typeUrl of [AUTHORIZATION_TYPE, ADDRESS_TYPE]) stream.write({ node, typeUrl })
  return {
    synced: promise,
    [Symbol.dispose]: () => {
      stream.cancel()
      client.close()
    },
  }
}
