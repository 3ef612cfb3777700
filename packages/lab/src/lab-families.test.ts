import { requireRoot } from '@ambient/testkit'
import { expect, test } from 'vitest'
import { Lab } from './lab.ts'

requireRoot()
const SHOP = `
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nginx, namespace: shop}
data:
  nginx.conf: |
    daemon off;
    events {}
    http { access_log off; server { listen 8080; listen [::]:8080; location / { return 200 "hello $remote_addr\\n"; } } }
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  nodeName: node2
  containers:
    - name: nginx
      command: [nginx, -c, /run/config/nginx.conf]
      ports: [{containerPort: 8080}]
      volumeMounts: [{name: config, mountPath: /run/config}]
  volumes: [{name: config, configMap: {name: nginx}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {nodeName: node1, containers: [{name: idle, command: [sleep, infinity]}]}
`

test.each([
  { families: 'ipv6', primary: /^fd00:10:244:/ },
  { families: 'dual', primary: /^10\.244\./ },
] as const)(
  'Lab.up() with $families: DNS, service and pod are reached by every address, with the client’s own',
  async ({ families, primary }) => {
    await using lab = await Lab.up({ mesh: false, families, manifests: [SHOP] })
    await lab.ready()
    await using wire = await lab.capture()
    const [client, web] = [lab.pod('shop/client'), lab.pod('shop/web')]
    expect(client.ip).toMatch(primary)
    expect(web.ips).toHaveLength(families === 'dual' ? 2 : 1)
    for (const [n, ip] of web.ips.entries()) {
      const flag = ip.includes(':') ? '-6' : '-4'
      const url = `http://${ip.includes(':') ? `[${ip}]` : ip}:8080/`
      const { stdout } = await client.exec(['curl', '-sS', flag, '-m', '5', url, 'http://web/'])
      expect(stdout).toBe(`hello ${client.ips[n]}\n`.repeat(2))
      expect((await wire.packets()).some(({ destination }) => destination === ip)).toBe(true)
    }
  },
)
