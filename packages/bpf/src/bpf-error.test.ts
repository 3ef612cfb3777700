import { expect, test } from 'vitest'
import { usefulLine, VerifierError } from './bpf-error.ts'

test.each([
  {
    what: 'registers and a statistic around it',
    log: "0: R1=ctx(off=0,imm=0) R10=fp0\n; return skb->x;\n0: (61) r1 = *(u32 *)(r1 +76)\n1: (71) r0 = *(u8 *)(r1 +0)\nR1 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000) max_states_per_insn 0\n",
    line: "R1 invalid mem access 'scalar'",
  },
  {
    what: 'a jump before it',
    log: 'from 12 to 20: R0=0\nframe1: R6=1\nUnreleased reference id=3 alloc_insn=12\nverification time 9 usec\nstack depth 64\n',
    line: 'Unreleased reference id=3 alloc_insn=12',
  },
  { what: 'nothing else', log: 'back-edge from insn 5 to 3\n', line: 'back-edge from insn 5 to 3' },
  { what: 'only noise', log: '0: (b7) r0 = 0\nprocessed 1 insns\n', line: undefined },
  { what: 'nothing', log: '', line: undefined },
])('usefulLine() finds what is wrong with $what', ({ log, line }) => {
  expect(usefulLine(log)).toBe(line)
})

test('a refusal without a log is told by its number', () => {
  expect(new VerifierError('x', 1, '').message).toBe('Kernel refuses program "x": EPERM')
})
