import { expect, test } from 'vitest'
import { parseIpsetSave, planHostRules } from './iptables-host-probe.ts'
import { parseIptablesSave } from './iptables-save.ts'

const rule =
  '-p tcp -m owner --socket-exists -m set --match-set istio-inpod-probes-v4 dst -j SNAT --to-source 169.254.7.127'
const save = (...rules: string[]): ReturnType<typeof parseIptablesSave> =>
  parseIptablesSave(`*nat\n:POSTROUTING ACCEPT [0:0]\n:ISTIO_POSTRT - [0:0]\n${rules.join('\n')}\nCOMMIT\n`)
const whole = `*nat\n:ISTIO_POSTRT - [0:0]\n-I POSTROUTING 1 -j ISTIO_POSTRT\n-A ISTIO_POSTRT ${rule}\nCOMMIT\n`

test('planHostRules() makes chain, rule and a jump in first place', () => {
  expect(planHostRules([], rule)).toBe(whole)
})

test('planHostRules() changes nothing when all is right', () => {
  expect(
    planHostRules(
      save('-A POSTROUTING -j ISTIO_POSTRT', '-A POSTROUTING -j MASQ', `-A ISTIO_POSTRT ${rule}`),
      rule,
    ),
  ).toBe('')
})

test('planHostRules() moves the jump back in front of a masquerade', () => {
  const plan = planHostRules(
    save('-A POSTROUTING -j MASQ', '-A POSTROUTING -j ISTIO_POSTRT', `-A ISTIO_POSTRT ${rule}`),
    rule,
  )
  expect(plan).toBe(whole.replace('-I POST', '-D POSTROUTING -j ISTIO_POSTRT\n-I POST'))
})

test('planHostRules() without a rule takes everything away, and only ours', () => {
  expect(planHostRules(save('-A POSTROUTING -j ISTIO_POSTRT', `-A ISTIO_POSTRT ${rule}`), undefined)).toBe(
    '*nat\n-D POSTROUTING -j ISTIO_POSTRT\n-F ISTIO_POSTRT\n-X ISTIO_POSTRT\nCOMMIT\n',
  )
  expect(planHostRules([], undefined)).toBe('')
})

test('parseIpsetSave() reads addresses and whose they are', () => {
  const text =
    'create istio-inpod-probes-v4 hash:ip family inet hashsize 1024 maxelem 65536 comment bucketsize 12\nadd istio-inpod-probes-v4 10.0.0.1 comment "a-b"\nadd istio-inpod-probes-v4 10.0.0.2\n'
  expect(parseIpsetSave(text)).toEqual([
    { ip: '10.0.0.1', uid: 'a-b' },
    { ip: '10.0.0.2', uid: '' },
  ])
})
