import { apiVersionOf, fieldsOf, type KubeObject } from '@ambient/kube'
import type { RootPlace, RootWrite } from './root-place.ts'

/**
 * The CA bundle of our own webhook's configuration, by which the API server knows istiod. The configuration itself is
 * the chart's: it is never made here.
 */
export class WebhookRoots implements RootPlace {
  readonly owner = 'istiod-webhook'
  readonly watches: RootPlace['watches']
  readonly #name: string
  readonly #rootsPem: () => string
  /** Of each webhook of the configuration, its bundle in base64. */
  #found: ReadonlyMap<string, string> = new Map()

  constructor(name: string, rootsPem: () => string) {
    this.#name = name
    this.#rootsPem = rootsPem
    const options = { fieldSelector: { 'metadata.name': name } }
    this.watches = [{ kind: 'ValidatingWebhookConfiguration', options }]
  }

  take(object: KubeObject, isGone: boolean): boolean {
    this.#found = isGone ? new Map() : bundlesOf(object)
    return !isGone
  }

  missing(): readonly RootWrite[] {
    const caBundle = Buffer.from(this.#rootsPem()).toString('base64')
    const names = [...this.#found.keys()]
    if (names.every((name) => this.#found.get(name) === caBundle)) return []
    const object = {
      apiVersion: apiVersionOf('ValidatingWebhookConfiguration'),
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: this.#name },
      webhooks: names.map((name) => ({ name, clientConfig: { caBundle } })),
    } as const
    const onWritten = (): void => {
      this.#found = new Map(names.map((name) => [name, caBundle]))
    }
    return [{ object, onWritten }]
  }
}

function bundlesOf(object: KubeObject): ReadonlyMap<string, string> {
  const webhooks = fieldsOf(object).get('webhooks').list()
  return new Map(
    webhooks.map((webhook) => [
      webhook.get('name').text() ?? '',
      webhook.get('clientConfig').get('caBundle').text() ?? '',
    ]),
  )
}
