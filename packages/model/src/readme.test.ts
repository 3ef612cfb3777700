import { expect, test } from 'vitest'
import { addressKey, addressName, canonicalIp, defineService, defineWorkload, serviceName } from './index.ts'

test('the README’s example runs', () => {
  const web = defineWorkload({
    uid: 'Kubernetes//Pod/shop/web-1',
    name: 'web-1',
    namespace: 'shop',
    addresses: ['10.1.0.7'],
    services: {
      'shop/web.shop.svc.cluster.local': [{ servicePort: 80, targetPort: 8080, appProtocol: 'unknown' }],
    },
  })
  const service = defineService({ name: 'web', namespace: 'shop', hostname: 'web.shop.svc.cluster.local' })

  expect(web.trustDomain).toBe('cluster.local')
  expect(serviceName(service) in web.services).toBe(true)
  expect(addressName({ kind: 'workload', workload: web })).toBe('Kubernetes//Pod/shop/web-1')
  expect(addressKey('', canonicalIp('::ffff:10.1.0.7') ?? '')).toBe('/10.1.0.7')
})

test('defineWorkload() and defineService() make values that cross threads unchanged', () => {
  const workload = defineWorkload({ uid: 'u', name: 'n', namespace: 'ns' })
  const service = defineService({ name: 'n', namespace: 'ns', hostname: 'h' })
  expect(structuredClone({ workload, service })).toEqual({ workload, service })
})
