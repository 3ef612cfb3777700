import { spawnSync } from 'node:child_process'
import { parseSpiffeId } from '@ambient/spiffe'
import { expect, test } from 'vitest'
import { newKey, signingRequest } from './signing-request.ts'

/** What it prints of a request, to both streams. */
function openssl(args: readonly string[], input: string): string {
  const { stdout, stderr } = spawnSync('openssl', ['req', ...args], { input, encoding: 'utf8' })
  return stdout + stderr
}

/** Lengths of one, two and three bytes in each place that has one. */
test.each([3, 20, 130, 250, 1900])(
  'signingRequest() asks for an account of %d characters, as openssl reads it',
  async (length) => {
    const id = parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${'w'.repeat(length)}`)
    const key = await newKey()
    const request = signingRequest(id, key)
    const read = openssl(['-verify', '-noout', '-text', '-nameopt', 'RFC2253'], request)
    expect(read).toContain('verify OK')
    expect(read).toMatch(/Subject: *\n/)
    expect(read).toContain('Public Key Algorithm: id-ecPublicKey')
    expect(read).toContain('NIST CURVE: P-256')
    expect(read).toContain('Signature Algorithm: ecdsa-with-SHA256')
    expect(read).toMatch(new RegExp(`X509v3 Subject Alternative Name: critical\\s+URI:${id}\\n`))
    const asked = openssl(['-pubkey', '-noout'], request)
    expect(asked).toBe(key.publicKey.export({ format: 'pem', type: 'spki' }))
    expect(request).toMatch(
      /^-----BEGIN CERTIFICATE REQUEST-----\n([\w+/=]{1,64}\n)+-----END CERTIFICATE REQUEST-----\n$/,
    )
  },
)

test('a request whose name was changed is not signed by its key', async () => {
  const id = parseSpiffeId('spiffe://cluster.local/ns/shop/sa/web')
  const request = signingRequest(id, await newKey())
  const bytes = Buffer.from(request.replace(/-----.*-----/g, ''), 'base64')
  bytes.write('x', bytes.indexOf('/sa/web') + 4)
  const changed = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  expect(openssl(['-verify', '-noout'], changed)).toContain('verify failure')
})
