import { expect, test } from 'vitest'
import { podSettings } from './pod-overrides.ts'

const defaults = {
  ipv6: true,
  dnsCapture: false,
  ingressOnly: false,
  virtualInterfaces: [],
  probe: { v4: '169.254.7.127', v6: 'fd16::1' },
}

test.each([
  { name: 'keeps the defaults without annotations', annotations: {}, change: {}, warnings: 0 },
  {
    name: 'reads the bypass of inbound capture',
    annotations: { 'ambient.istio.io/bypass-inbound-capture': 'true' },
    change: { ingressOnly: true },
    warnings: 0,
  },
  {
    name: 'turns DNS capture on',
    annotations: { 'ambient.istio.io/dns-capture': 'True' },
    change: { dnsCapture: true },
    warnings: 0,
  },
  {
    name: 'warns of a word that is no boolean',
    annotations: { 'ambient.istio.io/dns-capture': 'yes' },
    change: {},
    warnings: 1,
  },
  {
    name: 'reads interfaces',
    annotations: { 'istio.io/reroute-virtual-interfaces': 'tap0, br-vm,,' },
    change: { virtualInterfaces: ['tap0', 'br-vm'] },
    warnings: 0,
  },
  {
    name: 'leaves out what is no interface',
    annotations: { 'istio.io/reroute-virtual-interfaces': 'tap0 -j ACCEPT,-x,averyverylongname0,eth1' },
    change: { virtualInterfaces: ['eth1'] },
    warnings: 3,
  },
  {
    name: 'leaves out a name with a line end',
    annotations: { 'istio.io/reroute-virtual-interfaces': 'a\nCOMMIT' },
    change: {},
    warnings: 1,
  },
])('podSettings() $name', ({ annotations, change, warnings }) => {
  const read = podSettings(annotations, defaults)
  expect(read.settings).toEqual({ ...defaults, ...change })
  expect(read.warnings).toHaveLength(warnings)
})

test('podSettings() lets a pod turn DNS capture off', () => {
  expect(
    podSettings({ 'ambient.istio.io/dns-capture': 'false' }, { ...defaults, dnsCapture: true }).settings
      .dnsCapture,
  ).toBe(false)
})
