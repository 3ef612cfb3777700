import type { Flavour } from './build-runner.ts'

/** Cases that cannot pass against a server that takes nothing but CONNECT, and why. */
export interface Exception {
  readonly flavour: Flavour
  readonly ids: readonly string[]
  readonly reason: string
}

export const exceptions: readonly Exception[] = [
  {
    flavour: 'plain',
    ids: [
      'generic/2/2',
      'generic/2/3',
      'http2/5.1.2/1',
      'http2/6.9/2',
      'http2/6.9.1/3',
      'http2/8.1/1',
      'http2/8.1.2.1/3',
    ],
    reason:
      'They need a stream that stays open. A GET or POST is answered 400 at its header fields, and its stream is over: frames on it after our RST_STREAM are ignored, as RFC 9113, 5.1, wants. By CONNECT they pass.',
  },
  {
    flavour: 'plain',
    ids: ['http2/6.5.3/1', 'http2/6.9.1/1', 'http2/6.9.2/1', 'http2/6.9.2/2'],
    reason:
      'They watch how the content of an answer keeps to its window, and leave themselves out, since a 400 has none. By CONNECT they pass.',
  },
  {
    flavour: 'connect',
    ids: ['http2/8.1.2.3/1', 'http2/8.1.2.3/2', 'http2/8.1.2.3/3', 'http2/8.1.2.3/4', 'http2/8.1.2.3/7'],
    reason:
      'They spoil one of four pseudo fields, and a CONNECT has two: it must not have :scheme and :path. As a GET they pass.',
  },
  {
    flavour: 'connect',
    ids: ['http2/4.2/3'],
    reason:
      'It takes 20 KB of fields in one frame to be too many, and the frames allowed by default are of 1 MiB. As a GET it meets a server that allows 16 KiB, and passes.',
  },
  {
    flavour: 'plain',
    ids: ['http2/8.1.2.6/1', 'http2/8.1.2.6/2'],
    reason: 'The request with a wrong content-length is answered 400 before its DATA is looked at.',
  },
  {
    flavour: 'connect',
    ids: ['http2/8.1.2.6/1', 'http2/8.1.2.6/2'],
    reason:
      'A CONNECT has no content (RFC 9110, 9.3.6), so there is nothing whose length a content-length could state: DATA is what the tunnel carries.',
  },
]
