import { GrpcError, type GrpcMethod, type GrpcServerCall, grpcStatus, unaryMethod } from '@ambient/grpc'
import {
  decodeHealthRequest,
  encodeHealthResponse,
  HEALTH_CHECK_PATH,
  HEALTH_WATCH_PATH,
} from '@ambient/xds-proto'

/**
 * gRPC's own health service, for everybody: a port that is open serves, since it opens when the state is whole and
 * closes first of all. Probes and load balancers need no token for it.
 *
 * @param paths Of the methods that are served: `/package.Service/Method`.
 * @see gRPC doc/health-checking.md
 */
export function healthMethods(paths: readonly string[]): Readonly<Record<string, GrpcMethod>> {
  const services = new Set(['', ...paths.map((path) => path.split('/')[1])])
  return {
    [HEALTH_CHECK_PATH]: unaryMethod((bytes) => {
      if (services.has(serviceIn(bytes))) return Promise.resolve(encodeHealthResponse('serving'))
      throw new GrpcError(grpcStatus.notFound, 'no such service')
    }),
    [HEALTH_WATCH_PATH]: async (call) => {
      const { value: bytes } = await call.requests().next()
      if (bytes === undefined) throw new GrpcError(grpcStatus.internal, 'a call without a request')
      const status = services.has(serviceIn(bytes)) ? 'serving' : 'service-unknown'
      call.write({ pieces: [encodeHealthResponse(status)], encoding: 'identity' }, () => {})
      await over(call)
    },
  }
}

function serviceIn(bytes: Uint8Array): string {
  try {
    return decodeHealthRequest(bytes)
  } catch (cause) {
    throw new GrpcError(grpcStatus.invalidArgument, 'a request that cannot be read', { cause })
  }
}

function over({ over: signal }: GrpcServerCall): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
