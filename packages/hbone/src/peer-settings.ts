import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW,
  H2_CODE,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  SETTING,
} from './h2-constants.ts'
import { H2ConnectionError } from './hbone-error.ts'
import { settingsFrame } from './encode-frame.ts'
import type { HboneLimits } from './limits.ts'

export type SessionRole = 'client' | 'server'

/** What the peer has asked of us. */
export class PeerSettings {
  readonly #role: SessionRole
  #initialWindow = DEFAULT_WINDOW
  #maxFrameBytes = DEFAULT_FRAME_BYTES
  #maxStreams: number | undefined
  #wereSeen = false

  /** @param role Ours. */
  constructor(role: SessionRole) {
    this.#role = role
  }

  /** Whether a first SETTINGS has come: the peer really speaks HTTP/2. */
  get wereSeen(): boolean {
    return this.#wereSeen
  }

  /** What a new stream may send at first. */
  get initialWindow(): number {
    return this.#initialWindow
  }

  get maxFrameBytes(): number {
    return this.#maxFrameBytes
  }

  /** `undefined` until the peer has named a limit. */
  get maxStreams(): number | undefined {
    return this.#maxStreams
  }

  /**
   * @returns By how much the send window of every open stream changes.
   * @throws {H2ConnectionError} for a value out of its range.
   */
  apply(values: readonly (readonly [id: number, value: number])[]): number {
    const before = this.#initialWindow
    for (const [id, value] of values) this.#applyOne(id, value)
    this.#wereSeen = true
    return this.#initialWindow - before
  }

  #applyOne(id: number, value: number): void {
    switch (id) {
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW)
          throw new H2ConnectionError(H2_CODE.flowControlError, `Initial window of ${value}`)
        this.#initialWindow = value
        break
      case SETTING.maxFrameSize:
        if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) throw outOfRange('Max frame size', value)
        this.#maxFrameBytes = value
        break
      case SETTING.enablePush:
        if (value > 1 || (value === 1 && this.#role === 'client')) throw outOfRange('Enable push', value)
        break
      case SETTING.maxConcurrentStreams:
        this.#maxStreams = value
        break
      default:
    }
  }
}

/** Our own SETTINGS. */
export function ownSettings(role: SessionRole, limits: HboneLimits): Uint8Array {
  const settings: (readonly [number, number])[] = [
    [SETTING.enablePush, 0],
    [SETTING.initialWindowSize, limits.streamWindow],
    [SETTING.maxFrameSize, limits.maxFrameBytes],
    [SETTING.maxHeaderListSize, limits.maxHeaderListBytes],
  ]
  if (role === 'server') settings.push([SETTING.maxConcurrentStreams, limits.maxStreams])
  return settingsFrame(settings)
}

function outOfRange(name: string, value: number): H2ConnectionError {
  return new H2ConnectionError(H2_CODE.protocolError, `${name} of ${value}`)
}
