/** The nine bytes before every frame (RFC 9113, section 4.1). */
export interface FrameHead {
  readonly length: number
  readonly type: number
  readonly flags: number
  readonly streamId: number
}

export function putFrameHead(bytes: Uint8Array, at: number, head: FrameHead): void {
  bytes[at] = head.length >>> 16
  bytes[at + 1] = head.length >>> 8
  bytes[at + 2] = head.length
  bytes[at + 3] = head.type
  bytes[at + 4] = head.flags
  bytes[at + 5] = head.streamId >>> 24
  bytes[at + 6] = head.streamId >>> 16
  bytes[at + 7] = head.streamId >>> 8
  bytes[at + 8] = head.streamId
}

/** Reads into `head`, so that a frame costs no object. */
export function readFrameHead(
  bytes: Uint8Array,
  at: number,
  head: { -readonly [K in keyof FrameHead]: number },
): void {
  head.length = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
  head.type = bytes[at + 3] ?? 0
  head.flags = bytes[at + 4] ?? 0
  head.streamId =
    (((bytes[at + 5] ?? 0) & 0x7f) << 24) |
    ((bytes[at + 6] ?? 0) << 16) |
    ((bytes[at + 7] ?? 0) << 8) |
    (bytes[at + 8] ?? 0)
}
