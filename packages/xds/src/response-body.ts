import { deflateBody, type DeflatedBody } from '@ambient/grpc'

/** The resources of a response, to be sent to any number of clients, compressed once at most. */
export class ResponseBody {
  readonly bytes: Uint8Array
  #deflated: Promise<DeflatedBody> | undefined

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  deflated(): Promise<DeflatedBody> {
    this.#deflated ??= deflateBody(this.bytes)
    return this.#deflated
  }
}

/** One response, what is its client's own apart from what it may share with others. */
export interface Response {
  readonly head: Uint8Array
  readonly body: ResponseBody
}
