import {
  Arena,
  closeDescriptor,
  receivePacket,
  seqpacketAccept,
  seqpacketConnect,
  sendPacket,
} from '@ambient/linux'

/** A packet as hex, with how many descriptors came along, `eof`, or undefined for none yet. */
export type Heard = string | undefined

/** The other end, written by hand: packets as hex, so that neither codec is tested against itself. */
export class RawPeer {
  readonly fd: number
  readonly #arena = new Arena(4096)
  #isOpen = true

  private constructor(fd: number) {
    this.fd = fd
  }

  static connect(path: string): RawPeer {
    const result = seqpacketConnect(path)
    if (result.kind !== 'connected') throw new Error(`Cannot connect: errno ${result.errno}`)
    return new RawPeer(result.fd)
  }

  static accept(listening: number): RawPeer | undefined {
    const result = seqpacketAccept(listening)
    return result.kind === 'accepted' ? new RawPeer(result.fd) : undefined
  }

  send(hex: string, fds: readonly number[] = []): void {
    const sent = sendPacket(this.fd, Buffer.from(hex.replaceAll(' ', ''), 'hex'), fds)
    if (sent.kind !== 'sent') throw new Error(`Cannot send: ${sent.kind}`)
  }

  hear(): Heard {
    const received = receivePacket(this.fd, this.#arena)
    if (received.kind === 'wait') return undefined
    if (received.kind !== 'packet') return 'eof'
    for (const fd of received.fds) closeDescriptor(fd)
    const hex = Buffer.from(received.bytes).toString('hex')
    return received.fds.length === 0 ? hex : `${hex} +${received.fds.length}`
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeDescriptor(this.fd)
  }
}
