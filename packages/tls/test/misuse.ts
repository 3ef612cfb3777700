/** `misuse.ts NAME`: one misuse of OpenSSL's objects, for the test of the debug mode, which looks at how it ends. */
import { Arena, NULL, withCString } from '@ambient/linux'
import { testCa } from '@ambient/testkit'
import { TlsContext } from '@ambient/tls'
import { registerAlpnCallback, ssl } from '../src/openssl.ts'

function context(): bigint {
  return ssl.SSL_CTX_new(ssl.TLS_method())
}

/** A connection whose bytes stay in memory, as those of the transport do. */
function connection(): { readonly pointer: bigint; readonly inner: bigint; readonly network: bigint } {
  const out = new Arena(16)
  const pointer = ssl.SSL_new(context())
  ssl.BIO_new_bio_pair(out.base, 4096n, out.at(8), 4096n)
  const [inner, network] = [out.view.getBigUint64(0, true), out.view.getBigUint64(8, true)]
  ssl.SSL_set_bio(pointer, inner, inner)
  ssl.SSL_set_connect_state(pointer)
  return { pointer, inner, network }
}

/** A server that ends its connection while OpenSSL asks it for the protocol. */
async function freeInCallback(): Promise<void> {
  using shared = new TlsContext(await (await testCa()).issue({}))
  const [out, client, server] = [new Arena(16), ssl.SSL_new(shared.pointer), ssl.SSL_new(shared.pointer)]
  ssl.BIO_new_bio_pair(out.base, 65_536n, out.at(8), 65_536n)
  const [near, far] = [out.view.getBigUint64(0, true), out.view.getBigUint64(8, true)]
  ssl.SSL_set_bio(client, near, near)
  ssl.SSL_set_bio(server, far, far)
  ssl.SSL_set_connect_state(client)
  ssl.SSL_set_accept_state(server)
  const select = registerAlpnCallback(() => {
    ssl.SSL_free(server)
    return 0
  })
  ssl.SSL_CTX_set_alpn_select_cb(shared.pointer, select, NULL)
  ssl.SSL_do_handshake(client)
  ssl.SSL_do_handshake(server)
}

const misuses: Readonly<Record<string, () => void | Promise<void>>> = {
  'a connection freed inside of its own call': freeInCallback,
  none: () => {
    const { pointer, network } = connection()
    const out = new Arena(8)
    ssl.SSL_do_handshake(pointer)
    ssl.BIO_nread0(network, out.base)
    ssl.SSL_free(pointer)
    ssl.BIO_free(network)
    ssl.ERR_clear_error()
  },
  'a context freed twice': () => {
    const pointer = context()
    ssl.SSL_CTX_free(pointer)
    ssl.SSL_CTX_free(pointer)
  },
  'a connection after its end': () => {
    const { pointer } = connection()
    ssl.SSL_free(pointer)
    ssl.SSL_do_handshake(pointer)
  },
  'a BIO that its connection frees': () => void ssl.BIO_free(connection().inner),
  'a BIO that went with its connection': () => {
    const { pointer, inner } = connection()
    ssl.SSL_free(pointer)
    ssl.BIO_free(inner)
  },
  'a pointer to something else': () => void ssl.SSL_do_handshake(context()),
  'a pointer to nothing': () => ssl.SSL_free(NULL),
  'a read past the end of an arena': () =>
    void ssl.SSL_read(connection().pointer, new Arena(16_384).at(1), 16_384),
  'a text that ended before its reader': () => {
    const bio = withCString('text', (text, length) => ssl.BIO_new_mem_buf(text, length))
    ssl.PEM_read_bio_X509(bio, NULL, NULL, NULL)
  },
}

await misuses[process.argv[2] ?? '']?.()
process.stdout.write('went on')
