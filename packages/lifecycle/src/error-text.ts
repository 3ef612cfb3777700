/** The text of whatever was thrown: an Error's message, anything else as it prints. Pure. */
export function errorText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
