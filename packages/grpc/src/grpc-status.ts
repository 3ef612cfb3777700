/** How a call ended. @see gRPC doc/statuscodes.md */
export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

export type GrpcStatusCode = (typeof grpcStatus)[keyof typeof grpcStatus]

export interface GrpcStatus {
  readonly code: GrpcStatusCode
  /** The caller is told this. */
  readonly message: string
}

/** Ends a call with a status that the caller may know; anything else that is thrown is told as `internal` only. */
export class GrpcError extends Error implements GrpcStatus {
  readonly code: GrpcStatusCode

  constructor(code: GrpcStatusCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}

/** The two trailers of a status; the message is percent-encoded. @see gRPC doc/PROTOCOL-HTTP2.md, Status-Message */
export function statusTrailers({ code, message }: GrpcStatus): Readonly<Record<string, string>> {
  const encoded = [...Buffer.from(message)].map(encodeByte).join('')
  return { 'grpc-status': String(code), ...(encoded === '' ? {} : { 'grpc-message': encoded }) }
}

function encodeByte(byte: number): string {
  const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25
  return isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
}
