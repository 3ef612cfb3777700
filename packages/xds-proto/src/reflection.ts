import { protoFiles } from './generated/descriptors.js'
import { grpc } from './generated/messages.js'

const { ServerReflectionRequest, ServerReflectionResponse } = grpc.reflection.v1

/** The two names of one method. */
export const REFLECTION_PATHS = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
] as const

export type ReflectionQuestion =
  | { readonly kind: 'services' }
  | { readonly kind: 'file'; readonly name: string }
  | { readonly kind: 'symbol'; readonly name: string }
  /** What is asked of `proto2` extensions, of which there are none, or of nothing that is known. */
  | { readonly kind: 'other' }

export type ReflectionAnswer =
  | { readonly kind: 'services'; readonly names: readonly string[] }
  /** Each a `google.protobuf.FileDescriptorProto`. */
  | { readonly kind: 'files'; readonly files: readonly Uint8Array[] }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }

export function encodeReflectionRequest(question: ReflectionQuestion): Buffer {
  const fields = {
    services: { listServices: '*' },
    file: { fileByFilename: 'name' in question ? question.name : '' },
    symbol: { fileContainingSymbol: 'name' in question ? question.name : '' },
    other: { allExtensionNumbersOfType: '' },
  }
  return Buffer.from(ServerReflectionRequest.encode(fields[question.kind]).finish())
}

/** @throws {Error} when the bytes are no such message. */
export function decodeReflectionRequest(bytes: Uint8Array): ReflectionQuestion {
  const { listServices, fileByFilename, fileContainingSymbol } = ServerReflectionRequest.decode(bytes)
  if (listServices != null) return { kind: 'services' }
  if (fileByFilename != null) return { kind: 'file', name: fileByFilename }
  if (fileContainingSymbol != null) return { kind: 'symbol', name: fileContainingSymbol }
  return { kind: 'other' }
}

/** @param request The bytes of the question, which go back with its answer. */
export function encodeReflectionResponse(answer: ReflectionAnswer, request: Uint8Array): Buffer {
  const originalRequest = ServerReflectionRequest.decode(request)
  return Buffer.from(ServerReflectionResponse.encode({ originalRequest, ...answerFields(answer) }).finish())
}

function answerFields(answer: ReflectionAnswer): grpc.reflection.v1.ServerReflectionResponse.$Properties {
  switch (answer.kind) {
    case 'services':
      return { listServicesResponse: { service: answer.names.map((name) => ({ name })) } }
    case 'files':
      return { fileDescriptorResponse: { fileDescriptorProto: [...answer.files] } }
    case 'error':
      return { errorResponse: { errorCode: answer.code, errorMessage: answer.message } }
  }
}

/** @throws {Error} when the bytes are no such message. */
export function decodeReflectionResponse(bytes: Uint8Array): ReflectionAnswer {
  const { listServicesResponse, fileDescriptorResponse, errorResponse } =
    ServerReflectionResponse.decode(bytes)
  if (listServicesResponse)
    return { kind: 'services', names: (listServicesResponse.service ?? []).map(({ name }) => name ?? '') }
  if (fileDescriptorResponse)
    return { kind: 'files', files: fileDescriptorResponse.fileDescriptorProto ?? [] }
  return { kind: 'error', code: errorResponse?.errorCode ?? 0, message: errorResponse?.errorMessage ?? '' }
}

/**
 * The file of that name, or the one with that message, service or method, and every file that it imports: those first,
 * since readers take them in their order.
 *
 * @returns undefined when there is none.
 */
export function describingFiles({
  kind,
  name,
}: Extract<ReflectionQuestion, { readonly name: string }>): readonly Uint8Array[] | undefined {
  const found = protoFiles.find((file) =>
    kind === 'file' ? file.name === name : file.symbols.includes(name),
  )
  return found && withImports(found.name).map((each) => Buffer.from(each.base64, 'base64'))
}

function withImports(name: string): readonly (typeof protoFiles)[number][] {
  const file = protoFiles.find((each) => each.name === name)
  if (file === undefined) return []
  return [...new Set([...file.imports.flatMap((each) => withImports(each)), file])]
}
