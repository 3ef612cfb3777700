import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CniError } from '../cni-error.ts'
import { decodeCniRequest, rawMember } from './cni-request.ts'

const message = (environment: Readonly<Record<string, string>>, config: string): Buffer =>
  Buffer.from(
    `${Object.entries(environment)
      .map(([name, value]) => `${name}=${value}\0`)
      .join('')}\0${config}`,
  )
const environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u=1',
}

test('decodeCniRequest() reads environment and configuration, and keeps the result byte for byte', () => {
  const prevResult = '{ "ips" : [ {"address":"10.0.0.2/24"}, {"address":"fd00::0002/64"} ],\t"x":1.50 }'
  expect(
    decodeCniRequest(message(environment, `{"cniVersion":"0.4.0","prevResult": ${prevResult} ,"name":"n"}`)),
  ).toEqual({
    command: 'ADD',
    containerId: 'c1',
    netnsPath: '/run/netns/x',
    interfaceName: 'eth0',
    pod: { namespace: 'shop', name: 'web', uid: 'u=1' },
    cniVersion: '0.4.0',
    prevResult,
    ips: ['10.0.0.2', 'fd00::2'],
    readyWithoutAgent: false,
    validContainers: [],
  })
})

test('decodeCniRequest() lists the containers of a GC, and takes a message without an environment', () => {
  const request = decodeCniRequest(
    message({}, '{"cniVersion":"1.1.0","cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}'),
  )
  expect(request).toMatchObject({
    command: '',
    pod: undefined,
    prevResult: undefined,
    validContainers: ['a'],
  })
})

test.each([
  { name: 'an environment without an end', body: Buffer.from('CNI_COMMAND=ADD') },
  { name: 'no JSON', body: message(environment, '{') },
  { name: 'an array', body: message(environment, '[]') },
])('decodeCniRequest() refuses $name', ({ body }) => {
  expect(() => decodeCniRequest(body)).toThrow(CniError)
})

test('decodeCniRequest() folds mapped addresses', () => {
  expect(
    decodeCniRequest(message(environment, '{"prevResult":{"ips":[{"address":"::ffff:10.0.0.2/96"}]}}')).ips,
  ).toEqual(['10.0.0.2'])
})

test('rawMember() gives back exactly what stands there, for any object', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.jsonValue(),
      fc.constantFrom(0, 1, 4),
      (object, wanted, indent) => {
        const text = JSON.stringify({ ...object, wanted }, undefined, indent)
        const raw = rawMember(text, 'wanted')
        expect(raw === undefined ? undefined : JSON.parse(raw)).toEqual(JSON.parse(JSON.stringify(wanted)))
        expect(text).toContain(raw)
      },
    ),
  )
})

test.each([
  { name: 'the last of two', text: '{"a":1,"a":[2]}', expected: '[2]' },
  { name: 'a key that is spelt with an escape', text: '{"\\u0061":true}', expected: 'true' },
  { name: 'nothing for a nested key', text: '{"b":{"a":1}}', expected: undefined },
  { name: 'nothing for a value of that name', text: '{"b":"a"}', expected: undefined },
])('rawMember() finds $name', ({ text, expected }) => {
  expect(rawMember(text, 'a')).toBe(expected)
})
