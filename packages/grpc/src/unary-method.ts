import { GrpcError, grpcStatus } from './grpc-status.ts'
import type { GrpcMethod } from './grpc-server.ts'
import type { GrpcCaller } from './server-call.ts'

/** A method of one request and one answer. */
export function unaryMethod(
  handle: (request: Buffer, caller: GrpcCaller) => Promise<Uint8Array>,
): GrpcMethod {
  return async (call) => {
    const { value: request } = await call.requests().next()
    if (request === undefined) throw new GrpcError(grpcStatus.internal, 'a call without a request')
    const answer = await handle(request, call)
    call.write({ pieces: [answer], encoding: 'identity' }, () => {})
  }
}
