import type { status } from '@grpc/grpc-js'

/** Ends a stream with a status that the client may know. */
export class StreamRefusal extends Error {
  readonly code: status

  constructor(code: status, message: string) {
    super(message)
    this.name = new.target.name
    this.code = code
  }
}
