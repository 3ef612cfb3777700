import { ambient } from './generated/messages.js'

const { Answer, Request, Role } = ambient.handover

/** What a listening socket of a pod is for. */
export type SocketRole = 'outbound' | 'inbound-plaintext' | 'inbound-hbone' | 'socks5' | 'dns-udp' | 'dns-tcp'

export interface WireSocket {
  readonly role: SocketRole
  readonly ip: string
  readonly port: number
}

/** What the successor asks of the node proxy whose place it takes. */
export type WireHandoverRequest =
  | { readonly kind: 'hello'; readonly version: number }
  | { readonly kind: 'take'; readonly uid: string }
  | { readonly kind: 'taken'; readonly uid: string }
  | { readonly kind: 'finish' }

/** One packet of an answer. */
export type WireHandoverAnswer<Socket = WireSocket> =
  | { readonly kind: 'refused'; readonly reason: string }
  /** A descriptor travels with it for each socket; `more`: another packet of the same answer follows. */
  | { readonly kind: 'done'; readonly sockets: readonly Socket[]; readonly more: boolean }

export const HANDOVER_VERSION_1 = 1

const ROLES: Readonly<Record<SocketRole, number>> = {
  outbound: Role.OUTBOUND,
  'inbound-plaintext': Role.INBOUND_PLAINTEXT,
  'inbound-hbone': Role.INBOUND_HBONE,
  socks5: Role.SOCKS5,
  'dns-udp': Role.DNS_UDP,
  'dns-tcp': Role.DNS_TCP,
}
const ROLE_NAMES: ReadonlyMap<number, SocketRole> = new Map(
  (['outbound', 'inbound-plaintext', 'inbound-hbone', 'socks5', 'dns-udp', 'dns-tcp'] as const).map(
    (role) => [ROLES[role], role],
  ),
)

export function encodeHandoverRequest(request: WireHandoverRequest): Uint8Array {
  switch (request.kind) {
    case 'hello':
      return Request.encode({ hello: { version: request.version } }).finish()
    case 'take':
      return Request.encode({ take: { uid: request.uid } }).finish()
    case 'taken':
      return Request.encode({ taken: { uid: request.uid } }).finish()
    case 'finish':
      return Request.encode({ finish: {} }).finish()
  }
}

/** @returns undefined for a request of a kind that we do not know. @throws {Error} when the bytes are no such message. */
export function decodeHandoverRequest(bytes: Uint8Array): WireHandoverRequest | undefined {
  const { hello, take, taken, finish } = Request.decode(bytes)
  if (hello) return { kind: 'hello', version: hello.version ?? 0 }
  if (take) return { kind: 'take', uid: take.uid ?? '' }
  if (taken) return { kind: 'taken', uid: taken.uid ?? '' }
  return finish ? { kind: 'finish' } : undefined
}

export function encodeHandoverAnswer(answer: WireHandoverAnswer): Uint8Array {
  if (answer.kind === 'refused') return Answer.encode({ refused: { reason: answer.reason } }).finish()
  const sockets = answer.sockets.map(({ role, ip, port }) => ({ role: ROLES[role], ip, port }))
  return Answer.encode({ done: { sockets, more: answer.more } }).finish()
}

/**
 * A socket of a role that we do not know is `undefined`, so that the others keep their descriptors.
 *
 * @returns undefined when it is no answer. @throws {Error} when the bytes are no such message.
 */
export function decodeHandoverAnswer(
  bytes: Uint8Array,
): WireHandoverAnswer<WireSocket | undefined> | undefined {
  const { refused, done } = Answer.decode(bytes)
  if (refused) return { kind: 'refused', reason: refused.reason ?? '' }
  if (!done) return undefined
  const sockets = (done.sockets ?? []).map(({ role, ip, port }) => {
    const name = ROLE_NAMES.get(role ?? 0)
    return name && { role: name, ip: ip ?? '', port: port ?? 0 }
  })
  return { kind: 'done', sockets, more: done.more ?? false }
}
