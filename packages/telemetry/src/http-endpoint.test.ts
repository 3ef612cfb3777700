import { expect, test } from 'vitest'
import { type HttpRequest, serveHttp } from './http-endpoint.ts'

test('serveHttp() answers by path, and with 500 only for the route that fails', async () => {
  const faults: unknown[] = []
  const routes = {
    '/ready': () => ({ status: 200, body: 'ready' }),
    '/tree/': ({ path, query }: HttpRequest) => ({ status: 200, body: `${path} ${query.toString()}` }),
    '/bad': () => Promise.reject(new Error('broken')),
  }
  await using endpoint = await serveHttp({ address: '127.0.0.1', port: 0 }, routes, (cause) =>
    faults.push(cause),
  )
  const get = async (path: string, method = 'GET'): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${endpoint.port}${path}`, { method })
    return `${response.status} ${await response.text()}`.trim()
  }
  expect(await get('/ready?x=1')).toBe('200 ready')
  expect(await get('/tree/a/b?c=d&e')).toBe('200 /tree/a/b c=d&e=')
  expect(await get('/bad')).toBe('500 internal error')
  expect(await get('/nowhere')).toBe('404 nothing at /nowhere')
  expect(await get('/ready', 'POST')).toBe('405 only GET')
  expect(String(faults)).toBe('Error: broken')
})
