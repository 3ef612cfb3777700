import { describe, expect, test } from 'vitest'
import { plainSettings as plain, redirectCases } from '../../test/redirect-cases.ts'
import { parseIptablesSave } from './iptables-save.ts'
import { planApply, planRemoval } from './plan-iptables.ts'
import { type IpFamily, redirectRules } from './redirect-rules.ts'

const families: readonly IpFamily[] = ['ipv4', 'ipv6']

describe.each(redirectCases)('redirectRules() $name', ({ name, settings }) => {
  test.each(families)('has the golden rules and order in %s', async (family) => {
    const { input } = planApply([], redirectRules(family, settings))
    await expect(input).toMatchFileSnapshot(`testdata/${name}.${family}.rules`)
  })

  test.each(families)('plans nothing when its own rules are there, in %s', (family) => {
    const rules = redirectRules(family, settings)
    const plan = planApply(parseIptablesSave(savedFrom(planApply([], rules).input)), rules)
    expect(plan).toEqual({ input: '', missing: [], found: true })
  })
})

test('planApply() touches only the table that differs, and names what was missing', () => {
  const rules = redirectRules('ipv4', plain)
  const saved = savedFrom(planApply([], rules).input).replace(
    '-A ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT\n',
    '',
  )
  const plan = planApply(parseIptablesSave(saved), rules)
  expect(plan.missing).toEqual(['nat ISTIO_PRERT -s 169.254.7.127/32 -p tcp -m tcp -j ACCEPT'])
  expect(plan.input).toContain(
    '*nat\n:ISTIO_OUTPUT - [0:0]\n:ISTIO_PRERT - [0:0]\n-D OUTPUT -j ISTIO_OUTPUT\n',
  )
  expect(plan.input).not.toContain('*mangle')
})

test('planApply() repairs rules that are all there in another order', () => {
  const rules = redirectRules('ipv4', plain)
  const accept = '-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ACCEPT\n'
  const saved = savedFrom(planApply([], rules).input)
    .replace(accept, '')
    .replace('COMMIT\n*nat', 'COMMIT\n*nat')
  const moved = saved.replace(/(-A ISTIO_OUTPUT ! -d 127.0.0.1\/32 -p tcp [^\n]* 15001\n)/, `$1${accept}`)
  expect(moved).not.toBe(saved)
  const plan = planApply(parseIptablesSave(moved), rules)
  expect(plan.missing).toEqual([])
  expect(plan.input).toContain('*nat')
})

test('planApply() takes out the DNS rules of an earlier setting, chains included', () => {
  const saved = savedFrom(planApply([], redirectRules('ipv4', { ...plain, dnsCapture: true })).input)
  const { input } = planApply(parseIptablesSave(saved), redirectRules('ipv4', plain))
  expect(input).toContain(
    '*raw\n-D PREROUTING -j ISTIO_PRERT\n-D OUTPUT -j ISTIO_OUTPUT\n-F ISTIO_PRERT\n-F ISTIO_OUTPUT\n-X ISTIO_PRERT\n-X ISTIO_OUTPUT\nCOMMIT\n',
  )
})

test('planRemoval() removes every jump, rule and chain of ours and nothing else', () => {
  const saved = `*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:ISTIO_OUTPUT - [0:0]
-A PREROUTING -j DOCKER
-A OUTPUT -j ISTIO_OUTPUT
-A OUTPUT -j ISTIO_OUTPUT
-A OUTPUT -p tcp -g ISTIO_OUTPUT
-A ISTIO_OUTPUT -p tcp -j ACCEPT
COMMIT
`
  expect(planRemoval(parseIptablesSave(saved), ['mangle', 'nat', 'raw'])).toBe(
    '*nat\n-D OUTPUT -j ISTIO_OUTPUT\n-D OUTPUT -j ISTIO_OUTPUT\n-D OUTPUT -p tcp -g ISTIO_OUTPUT\n-F ISTIO_OUTPUT\n-X ISTIO_OUTPUT\nCOMMIT\n',
  )
})

test('planRemoval() has nothing to do where nothing of ours is', () => {
  expect(
    planRemoval(
      parseIptablesSave('*nat\n:OUTPUT ACCEPT [0:0]\n:KUBE-SVC - [0:0]\n-A OUTPUT -j KUBE-SVC\nCOMMIT\n'),
      ['nat', 'mangle', 'raw'],
    ),
  ).toBe('')
})

/** What `iptables-save` would print after the input was restored into empty tables. */
function savedFrom(input: string): string {
  return input.replaceAll(/^\*(\w+)$/gm, '*$1\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]')
}
