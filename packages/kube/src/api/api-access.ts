import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { errorText } from '@ambient/lifecycle'
import { KubeError } from '../kube-error.ts'

/** Where the API server is, how to trust it, and who we are to it. */
export interface ApiAccess {
  /** `https://10.96.0.1:443`, without a path. */
  readonly origin: string
  readonly tls: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername'>
  /** The value of the `authorization` header now; tokens rotate, so it is asked for with each request. */
  readonly authorization: () => Promise<string | undefined>
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The access that every pod has: the service account's token, read anew for each request, and the cluster's CA.
 *
 * @param environment `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`, as the kubelet sets them.
 * @throws {KubeError} `API_REFUSED` outside a pod.
 */
export function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string = SERVICE_ACCOUNT,
): ApiAccess {
  const host = environment['KUBERNETES_SERVICE_HOST']
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443'
  if (host === undefined || host === '')
    throw new KubeError(
      'API_REFUSED',
      'Cannot find the API server: KUBERNETES_SERVICE_HOST is not set, so this is no pod; name a kubeconfig or a directory of YAML instead',
    )
  const tokenFile = join(directory, 'token')
  return {
    origin: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tls: { ca: readSecret(join(directory, 'ca.crt')) },
    authorization: async () => {
      const token = (await readFile(tokenFile, 'utf8')).trim()
      return token === '' ? undefined : `Bearer ${token}`
    },
  }
}

/**
 * The access that a kubeconfig file describes, exec plugins and token files included.
 *
 * @throws {KubeError} `API_REFUSED` when the file cannot be used.
 */
export async function kubeconfigAccess(file: string, context?: string): Promise<ApiAccess> {
  // Its generated client of the whole API takes 80 MB and most of a second: only who has a kubeconfig pays that.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  try {
    config.loadFromFile(file)
    if (context !== undefined) config.setCurrentContext(context)
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new Error('its current context names no cluster')
    const options = await authenticate()
    return {
      origin: new URL(cluster.server).origin,
      tls: {
        ...(options.ca === undefined ? {} : { ca: options.ca }),
        ...(options.cert === undefined ? {} : { cert: options.cert }),
        ...(options.key === undefined ? {} : { key: options.key }),
        ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
        ...(cluster.tlsServerName === undefined ? {} : { servername: cluster.tlsServerName }),
      },
      authorization: async () => headerOf((await authenticate()).headers),
    }
  } catch (cause) {
    const reason = errorText(cause)
    throw new KubeError('API_REFUSED', `Cannot use kubeconfig ${file}: ${reason}`, { cause })
  }

  async function authenticate(): Promise<HttpsOptions> {
    const options: HttpsOptions = { headers: {} }
    await config.applyToHTTPSOptions(options)
    return options
  }
}

type HttpsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'> & {
  headers: Record<string, string | string[] | number>
}

function headerOf(headers: HttpsOptions['headers']): string | undefined {
  const value = headers['Authorization'] ?? headers['authorization']
  return typeof value === 'string' ? value : undefined
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new KubeError(
      'API_REFUSED',
      `Cannot read ${file}: the pod needs its service account's token mounted`,
      { cause },
    )
  }
}
