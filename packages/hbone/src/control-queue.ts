/** No piece is longer, so that the smallest staging arena takes any. */
const PIECE_BYTES = 16_384

/** Frames other than DATA that wait for the transport, in order. */
export class ControlQueue {
  #frames: Uint8Array[] = []
  #bytes = 0

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  get bytes(): number {
    return this.#bytes
  }

  push(frame: Uint8Array): void {
    for (let at = 0; at < frame.length; at += PIECE_BYTES)
      this.#frames.push(frame.subarray(at, at + PIECE_BYTES))
    this.#bytes += frame.length
  }

  /** Moves as much into `staging` as fits; returns how many bytes. */
  moveTo(staging: Uint8Array): number {
    let length = 0
    let taken = 0
    for (const frame of this.#frames) {
      if (length + frame.length > staging.length) break
      staging.set(frame, length)
      length += frame.length
      taken++
    }
    this.#frames = taken === this.#frames.length ? [] : this.#frames.slice(taken)
    this.#bytes -= length
    return length
  }

  clear(): void {
    this.#frames = []
    this.#bytes = 0
  }
}
