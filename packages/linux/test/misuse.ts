/** `misuse.ts NAME`: one misuse of memory or of a descriptor, for the test of the debug mode, which looks at how it ends. */
import { EventEmitter } from 'node:events'
import { Arena, closeDescriptor, eventfd, sys, takeWake, wake } from '@ambient/linux'

const CTL_ADD = 1

const misuses: Readonly<Record<string, () => void>> = {
  none: () => {
    const fd = eventfd()
    wake(fd)
    takeWake(fd)
    closeDescriptor(fd)
    const arena = new Arena(16)
    arena.hold()
    arena.expire(16)
    arena.free()
  },
  'the ends of an arena': () => {
    const arena = new Arena(16)
    arena.bytes.fill(7)
    arena.hold()
    arena.expire(16)
    arena.free()
    process.stdout.write(`${arena.bytes.buffer.byteLength} ${arena.bytes[0]} ${arena.at(16) - arena.base} `)
  },
  'a length past the end': () => void sys.write(1, new Arena(16).at(8), 9),
  'an address of nobody': () => void sys.write(1, 0x1000n, 1),
  'a vector past the end': () => {
    const [vectors, target] = [new Arena(16), new Arena(16)]
    vectors.view.setBigUint64(0, target.base, true)
    vectors.view.setBigUint64(8, 17n, true)
    sys.writev(1, vectors.base, 1)
  },
  'an arena after its end': () => {
    const arena = new Arena(16)
    arena.free()
    arena.bytes.fill(1)
  },
  'an address after its end': () => {
    const arena = new Arena(16)
    const { base } = arena
    arena.free()
    sys.write(1, base, 1)
  },
  'an arena ended twice': () => {
    const arena = new Arena(16)
    arena.free()
    arena.free()
  },
  'a write after its end': () => {
    const arena = new Arena(16)
    const { bytes } = arena
    arena.free()
    bytes[0] = 1
    // What ended is looked at again when it is let go of.
    for (let i = 0; i < 2000; i++) new Arena(16).free()
  },
  'a write over the end': () => {
    const arena = new Arena(16)
    new Uint8Array(arena.bytes.buffer)[arena.bytes.byteOffset + 16] = 0
    arena.free()
  },
  'a call that writes into what is being read': () => {
    const arena = new Arena(16)
    const fd = eventfd()
    wake(fd)
    arena.hold()
    sys.read(fd, arena.base, 8)
  },
  'two readers of one arena': () => {
    const arena = new Arena(16)
    arena.hold()
    arena.hold()
  },
  'a descriptor closed twice': () => {
    const fd = eventfd()
    closeDescriptor(fd)
    closeDescriptor(fd)
  },
  'a descriptor after its end': () => {
    const fd = eventfd()
    closeDescriptor(fd)
    wake(fd)
  },
  'a descriptor closed in a loop': () => {
    const [epoll, fd, event] = [sys.epoll_create1(0), eventfd(), new Arena(16)]
    sys.epoll_ctl(epoll, CTL_ADD, fd, event.base)
    closeDescriptor(fd)
  },
  'a misuse that somebody catches': () => {
    const emitter = new EventEmitter()
    emitter.on('x', () => void sys.write(1, 0x1000n, 1))
    try {
      emitter.emit('x')
    } catch {
      process.exit(0)
    }
  },
}

misuses[process.argv[2] ?? '']?.()
process.stdout.write('went on')
