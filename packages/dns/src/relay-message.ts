/** A message that is passed on as it came. */
import { responseCodes } from './constants.ts'
import type { DnsHead } from './decode-message.ts'
import type { DnsQuestion } from './dns-message.ts'
import { isSameName } from './name-labels.ts'

/** A copy under another id; not one other byte differs. */
export function withMessageId(message: Uint8Array, id: number): Uint8Array {
  const copy = Uint8Array.from(message)
  new DataView(copy.buffer).setUint16(0, id)
  return copy
}

/** Codes that a server may give without having understood the question, and then without repeating it. */
const WITHOUT_QUESTION: ReadonlySet<number> = new Set([
  responseCodes.formatError,
  responseCodes.serverFailure,
  responseCodes.notImplemented,
  responseCodes.refused,
])

/** Whether a message with this `head` answers what was asked under `id`; that it came from the server asked is for the socket to know. */
export function isAnswerTo(head: DnsHead, id: number, question: DnsQuestion): boolean {
  if (!head.isResponse || head.id !== id) return false
  const [answered, ...more] = head.questions
  if (answered === undefined) return WITHOUT_QUESTION.has(head.responseCode)
  return (
    more.length === 0 &&
    answered.type === question.type &&
    answered.class === question.class &&
    isSameName(answered.name, question.name)
  )
}
