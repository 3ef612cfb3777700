import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { json, text } from 'node:stream/consumers'
import { testCa } from '@ambient/testkit'
import type { MeshObject } from './generate-mesh.ts'

/** Where each kind that the mesh reads is; a kind that is not here is one that this API server does not have. */
const PATHS: Readonly<Record<string, string>> = {
  Pod: '/api/v1/pods',
  Service: '/api/v1/services',
  ServiceAccount: '/api/v1/serviceaccounts',
  Namespace: '/api/v1/namespaces',
  Node: '/api/v1/nodes',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  AuthorizationPolicy: '/apis/security.istio.io/v1/authorizationpolicies',
  PeerAuthentication: '/apis/security.istio.io/v1/peerauthentications',
}
const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews'

interface Collection {
  readonly objects: Map<string, object>
  readonly watchers: Set<ServerResponse>
}

/**
 * What the control plane needs of an API server: lists in pages, watches, and reviews of tokens. The token of a node's
 * proxy is the name of the node.
 */
export class FakeApi implements AsyncDisposable {
  readonly #collections: ReadonlyMap<string, Collection>
  readonly #server: Server
  readonly caPem: string
  #version = 1

  private constructor(certificate: { readonly key: string; readonly cert: string; readonly ca: string }) {
    this.#collections = new Map(
      Object.values(PATHS).map((path) => [path, { objects: new Map(), watchers: new Set() }]),
    )
    this.caPem = certificate.ca
    this.#server = createServer(certificate, (request, response) => {
      this.#answer(request, response).catch((cause: unknown) =>
        response.destroy(cause instanceof Error ? cause : undefined),
      )
    })
  }

  static async open(objects: Iterable<MeshObject>): Promise<FakeApi> {
    const ca = await testCa()
    const { certificateChainPem, privateKeyPem } = await ca.issue({
      ips: ['127.0.0.1'],
      dnsNames: ['localhost'],
    })
    const api = new FakeApi({ key: privateKeyPem, cert: certificateChainPem, ca: ca.rootPem })
    for (const object of objects) api.put(object)
    api.#server.listen(0, '127.0.0.1')
    await once(api.#server, 'listening')
    return api
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  put(object: MeshObject): void {
    const { objects, watchers } = this.#collectionOf(object.kind)
    const key = keyOf(object)
    const { metadata, ...rest } = object
    const stored = {
      ...rest,
      metadata: {
        uid: `uid-${metadata.name}`,
        creationTimestamp: '2030-01-01T00:00:00Z',
        resourceVersion: `${++this.#version}`,
        ...metadata,
      },
    }
    tell(watchers, objects.has(key) ? 'MODIFIED' : 'ADDED', stored)
    objects.set(key, stored)
  }

  delete(object: MeshObject): void {
    const { objects, watchers } = this.#collectionOf(object.kind)
    const key = keyOf(object)
    const stored = objects.get(key)
    if (stored === undefined) return
    objects.delete(key)
    tell(watchers, 'DELETED', stored)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #collectionOf(kind: string): Collection {
    const collection = this.#collections.get(PATHS[kind] ?? '')
    if (collection === undefined) throw new Error(`${kind} is not served`)
    return collection
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://api')
    const collection = this.#collections.get(pathname)
    if (request.method === 'POST' && pathname === TOKEN_REVIEWS)
      return send(response, 201, review(await text(request)))
    if (request.method === 'POST' && NAMESPACED.test(pathname))
      return send(response, 201, await json(request))
    request.resume()
    if (request.method === 'GET' && NAMESPACED.test(pathname)) return this.#sendNone(searchParams, response)
    if (request.method !== 'GET' || collection === undefined) return send(response, 404, NOT_FOUND)
    if (searchParams.get('watch') === 'true') return watch(collection, response)
    const from = Number(searchParams.get('continue') ?? 0)
    const to = from + Number(searchParams.get('limit') ?? collection.objects.size)
    const metadata = {
      resourceVersion: `${this.#version}`,
      ...(to < collection.objects.size ? { continue: `${to}` } : {}),
    }
    send(response, 200, { metadata, items: [...collection.objects.values()].slice(from, to) })
  }

  #sendNone(search: URLSearchParams, response: ServerResponse): void {
    if (search.get('watch') === 'true') return watch({ objects: new Map(), watchers: new Set() }, response)
    send(response, 200, { metadata: { resourceVersion: `${this.#version}` }, items: [] })
  }
}

/** Objects of a kind in one namespace: what istiod makes for itself, which nobody asks for again. */
const NAMESPACED = /\/namespaces\/[^/]+\/[^/]+$/
const NOT_FOUND = { kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 }

function keyOf({ metadata }: MeshObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

/** Nothing changes between a list and its watch here: the watch begins with what comes next. */
function watch({ watchers }: Collection, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.flushHeaders()
  watchers.add(response)
  response.once('close', () => watchers.delete(response))
}

function tell(watchers: ReadonlySet<ServerResponse>, type: string, object: object): void {
  if (watchers.size === 0) return
  const line = `${JSON.stringify({ type, object })}\n`
  for (const response of watchers) response.write(line)
}

function review(body: string): object {
  const node = /"token":"([^"]*)"/.exec(body)?.[1] ?? ''
  return {
    status: {
      authenticated: true,
      user: {
        username: 'system:serviceaccount:istio-system:ztunnel',
        groups: ['system:serviceaccounts'],
        extra: {
          'authentication.kubernetes.io/pod-name': [`ztunnel-${node}`],
          'authentication.kubernetes.io/pod-uid': [node],
          'authentication.kubernetes.io/node-name': [node],
        },
      },
    },
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
