/** Frame types of RFC 9113, section 6. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const

/** Error codes of RFC 9113, section 7. */
export const H2_CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
} as const

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const

/** What a client says first, as Latin-1. */
export const PREFACE: Uint8Array<ArrayBuffer> = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const HEADER_BYTES = 9
export const MAX_WINDOW = 0x7fffffff
/** Windows and frame size before any SETTINGS. */
export const DEFAULT_WINDOW = 65535
export const DEFAULT_FRAME_BYTES = 16384
export const MAX_FRAME_BYTES = 16777215
