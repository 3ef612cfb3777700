export {
  CLASS_IN,
  MAX_MESSAGE_BYTES,
  MIN_PAYLOAD_BYTES,
  OPCODE_QUERY,
  recordTypeName,
  recordTypes,
  responseCodes,
} from './constants.ts'
export { decodeHead, decodeHeader, decodeMessage, type DnsHead } from './decode-message.ts'
export { DnsError, type DnsErrorCode } from './dns-error.ts'
export type {
  DnsHeader,
  DnsMessage,
  DnsName,
  DnsQuestion,
  DnsRecord,
  Edns,
  RecordData,
} from './dns-message.ts'
export { encodeMessage } from './encode-message.ts'
export { queryMessage } from './query-message.ts'
export { isAnswerTo, withMessageId } from './relay-message.ts'
export { type Decoded, decodeStreamFrame, encodeStreamFrame } from './stream-frame.ts'
