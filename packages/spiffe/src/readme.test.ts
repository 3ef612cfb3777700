import { expect, test } from 'vitest'
import { checkClientPeer, checkServerPeer, parseTrustDomain, renewAtMs, spiffeId } from './index.ts'

test('the README’s example runs', () => {
  const web = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })

  expect(checkClientPeer([web], [web])).toEqual({ kind: 'accepted', id: web })
  expect(checkServerPeer([web], parseTrustDomain('other.example')).kind).toBe('refused')
  expect(renewAtMs({ notBeforeMs: 0, notAfterMs: 86_400_000 })).toBe(43_200_000)
})
