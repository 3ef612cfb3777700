export { Arena, copyOut, NULL, withBytes, withCString } from './arena.ts'
export { addressOf, checkCalls, type ForeignCall, numberOf } from './checked-calls.ts'
export { closeDescriptor, duplicateDescriptor, openFile } from './descriptor.ts'
export { lend, pointerAt, type Span } from './memory-map.ts'
export { endForMisuse, isMemoryDebugged, stackHere } from './memory-misuse.ts'
export { destroyTcp, type DestroyTcpResult } from './destroy-tcp.ts'
export { check, Errno, errno, errnoName, SyscallError } from './errno.ts'
export { eventfd, takeWake, wake } from './eventfd.ts'
export { FirewallChanges } from './firewall-changes.ts'
export { fileLimit, raiseFileLimit, setFileLimit, type FileLimit } from './file-limit.ts'
export { addressBytes, addressText, familyOf } from './ip-text.ts'
export {
  addMarkedRouting,
  findMarkedRouting,
  type MarkedRouting,
  type MarkedRoutingParts,
  removeMarkedRouting,
} from './marked-routing.ts'
export { NetworkNamespace, type NamespaceId } from './network-namespace.ts'
export { originalDestination } from './original-destination.ts'
export {
  MAX_PACKET_BYTES,
  MAX_PACKET_DESCRIPTORS,
  receivePacket,
  sendPacket,
  type ReceivePacketResult,
  type SendPacketResult,
} from './packet.ts'
export { legacyTables, type NftTable, nftTables } from './packet-tables.ts'
export { makePipe, type Pipe } from './pipe.ts'
export {
  seqpacketAccept,
  seqpacketConnect,
  seqpacketListen,
  seqpacketPair,
  type SeqpacketAccept,
  type SeqpacketResult,
} from './seqpacket.ts'
export {
  type ExitStatus,
  type ProgramToStart,
  type StartedProgram,
  startProgram,
  type StartProgramResult,
  takeExitStatus,
} from './start-program.ts'
export { streamPair } from './stream-pair.ts'
export type { SocketAddress } from './socket-address.ts'
export { type KeepAlive, setKeepAlive, setNoDelay, setUserTimeout, takeSocketError } from './socket-option.ts'
export { bindSource } from './source-address.ts'
export { MSG_NOSIGNAL, SHUT_WR, SPLICE_NONBLOCK, sys } from './syscalls.ts'
export type { Syscalls } from './syscall-types.ts'
export {
  acceptOn,
  formatAddress,
  listenOn,
  localAddress,
  MESH_MARK,
  peerAddress,
  resetSocket,
  startConnect,
  tcpSocket,
  type AcceptResult,
  type ConnectResult,
  type ListenOptions,
  type SocketOptions,
} from './tcp-socket.ts'
export { tcpListeners, tcpTableEntries, type TcpTableEntry } from './tcp-table.ts'
export {
  MAX_DATAGRAM_BYTES,
  receiveDatagram,
  sendDatagram,
  type ReceiveDatagramResult,
  type SendDatagramResult,
  udpListen,
  udpSocket,
} from './udp-socket.ts'
