import { testCa } from '@ambient/testkit'
import { afterEach, expect, test } from 'vitest'
import { checkOpenSsl } from './check-openssl.ts'
import { liveTlsObjects } from './live-objects.ts'
import { TlsContext } from './tls-context.ts'
import { TlsError } from './tls-error.ts'

const ca = await testCa()
const [good, other] = [await ca.issue({ uris: ['spiffe://cluster.local/ns/a/sa/b'] }), await ca.issue({})]

afterEach(() => {
  expect(liveTlsObjects()).toEqual({ contexts: 0, connections: 0 })
})

test.each([
  {
    name: 'an empty chain',
    credentials: { ...good, certificateChainPem: '' },
    message: 'no certificate in its chain',
  },
  {
    name: 'an empty trust bundle',
    credentials: { ...good, rootsPem: 'nothing' },
    message: 'no certificate in its trust bundle',
  },
  {
    name: 'text for a key',
    credentials: { ...good, privateKeyPem: 'key' },
    message: 'Cannot read private key',
  },
  {
    name: 'another certificate’s key',
    credentials: { ...good, privateKeyPem: other.privateKeyPem },
    message: /private key.*mismatch/,
  },
])('TlsContext() refuses $name with SVID_UNUSABLE', ({ credentials, message }) => {
  const make = (): TlsContext => new TlsContext(credentials)
  expect(make).toThrow(TlsError)
  expect(make).toThrow(expect.objectContaining({ code: 'SVID_UNUSABLE' }))
  expect(make).toThrow(message)
})

test.each([
  { name: 'an unknown cipher suite', options: { cipherSuites: 'TLS_NOTHING' } },
  { name: 'an unknown group', options: { groups: 'P-1' } },
])('TlsContext() refuses $name with TLS_SETUP_FAILED', ({ options }) => {
  expect(() => new TlsContext(good, options)).toThrow(expect.objectContaining({ code: 'TLS_SETUP_FAILED' }))
})

test('TlsContext() keeps no key in its error', () => {
  const secret = good.privateKeyPem.split('\n')[1] ?? ''
  const broken = good.privateKeyPem.replace('-----END', '-----FIN')
  const [message] = thrownBy(() => new TlsContext({ ...good, privateKeyPem: broken }))
  expect(message).toContain('Cannot read private key')
  expect(message).not.toContain(secret)
})

test('free() gives the memory back, also after failures', () => {
  // Without V8's own heap, which grows as it likes.
  const nativeKiB = (): number => {
    const { rss, heapTotal } = process.memoryUsage()
    return (rss - heapTotal) / 1024
  }
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      new TlsContext(good).free()
      expect(() => new TlsContext({ ...good, privateKeyPem: other.privateKeyPem })).toThrow(TlsError)
    }
  }
  rounds(300)
  const before = nativeKiB()
  rounds(1500)
  // A context that is not freed costs some 20 KiB: 3000 of them, 60 MiB.
  expect(nativeKiB() - before).toBeLessThan(20_000)
})

test('dispose frees once, whatever else is called', () => {
  using context = new TlsContext(good)
  expect(liveTlsObjects().contexts).toBe(1)
  context.free()
  context.free()
})

test('checkOpenSsl() gives the version, or names everything that is missing', () => {
  expect(checkOpenSsl()).toMatch(/^OpenSSL 3\.\d+/)
  const has = (symbol: string): boolean => symbol !== 'SSL_read' && symbol !== 'SSL_write'
  expect(() => checkOpenSsl(has)).toThrow('it lacks SSL_read, SSL_write: run the pinned Node')
})

function thrownBy(make: () => unknown): string[] {
  try {
    make()
    return []
  } catch (cause) {
    return [String(cause)]
  }
}
