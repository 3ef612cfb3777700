export { DATA_EVENTS, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, LEVEL_READ } from './epoll.ts'
export {
  EventLoop,
  type Contained,
  type EventLoopOptions,
  type LoopCounters,
  type Source,
  type Task,
} from './event-loop.ts'
export { Listener, type ListenerLimits, type ListenerState, type OnAccept } from './listener.ts'
export { MailboxSender } from './mailbox-sender.ts'
export { Mailbox } from './mailbox.ts'
export type { Timer } from './timer-heap.ts'
