import { GrpcError, type GrpcMethod, grpcStatus } from '@ambient/grpc'
import {
  decodeReflectionRequest,
  describingFiles,
  encodeReflectionResponse,
  REFLECTION_PATHS,
  type ReflectionAnswer,
  type ReflectionQuestion,
} from '@ambient/xds-proto'

/**
 * gRPC's reflection, under both its names, for everybody as in Istio: which services there are, and the part of their
 * published messages that this mesh uses.
 *
 * @param paths Of the other methods that are served: `/package.Service/Method`.
 * @see gRPC doc/server-reflection.md
 */
export function reflectionMethods(paths: readonly string[]): Readonly<Record<string, GrpcMethod>> {
  const services = [...new Set([...paths, ...REFLECTION_PATHS].map((path) => path.split('/')[1] ?? ''))]
  const names = services.toSorted()
  const serve: GrpcMethod = async (call) => {
    for await (const bytes of call.requests())
      await call.send(encodeReflectionResponse(answer(questionIn(bytes), names), bytes))
  }
  return Object.fromEntries(REFLECTION_PATHS.map((path) => [path, serve]))
}

function answer(question: ReflectionQuestion, names: readonly string[]): ReflectionAnswer {
  switch (question.kind) {
    case 'services':
      return { kind: 'services', names }
    case 'other':
      return { kind: 'error', code: grpcStatus.notFound, message: 'there are no extensions' }
    case 'file':
    case 'symbol': {
      const files = describingFiles(question)
      if (files !== undefined) return { kind: 'files', files }
      return { kind: 'error', code: grpcStatus.notFound, message: `no ${question.kind} of that name` }
    }
  }
}

function questionIn(bytes: Uint8Array): ReflectionQuestion {
  try {
    return decodeReflectionRequest(bytes)
  } catch (cause) {
    throw new GrpcError(grpcStatus.invalidArgument, 'a request that cannot be read', { cause })
  }
}
