import { requireRoot } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { Lab } from './index.ts'

const shop = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: nginx, namespace: shop}, data: {nginx.conf: 'daemon off; events {} http { access_log off; server { listen 8080; location / { return 200 "hello $remote_addr"; } } }'}}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec:
  containers: [{name: sleep, command: [sleep, infinity]}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers:
    - name: nginx
      command: [nginx, -c, /run/config/nginx.conf]
      ports: [{containerPort: 8080}]
      volumeMounts: [{name: config, mountPath: /run/config}]
  volumes: [{name: config, configMap: {name: nginx}}]
`

async function example(): Promise<readonly unknown[]> {
  const seen: unknown[] = []
  await using lab = await Lab.up({ nodes: 2, mesh: false, manifests: [shop] })
  await lab.ready()

  await using capture = await lab.capture() // of the link between the nodes; it has proved to be live
  const answer = await lab.pod('shop/client').exec(['curl', '-sS', `http://${lab.pod('shop/web').ip}:8080/`])

  seen.push(answer.stdout.trim()) // hello 10.244.1.2
  seen.push(await capture.holds('hello')) // true: nothing is encrypted yet
  return seen
}

test('the README’s example does what its comments say', async () => {
  requireRoot()
  expect(await example()).toEqual(['hello 10.244.1.2', true])
})
