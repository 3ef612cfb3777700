/**
 * Base of every error this mesh throws on purpose; switch on `code`, never on `message`.
 * A package closes the set of codes: `class HboneError extends CodedError<HboneErrorCode> {}`.
 */
export class CodedError<C extends string> extends Error {
  readonly code: C

  constructor(code: C, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.code = code
  }
}
