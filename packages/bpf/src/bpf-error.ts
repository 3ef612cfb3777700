import { CodedError } from '@ambient/lifecycle'
import { errnoName, SyscallError } from '@ambient/linux'

export type BpfErrorCode = 'LIBBPF_MISSING' | 'OBJECT_INVALID' | 'VERIFIER_REJECTED'

export class BpfError extends CodedError<BpfErrorCode> {}

/** What the kernel's verifier said of a program; the message has the one line that tells, `log` all of it. */
export class VerifierError extends BpfError {
  readonly program: string
  readonly log: string

  constructor(program: string, errno: number, log: string) {
    super('VERIFIER_REJECTED', `Kernel refuses program "${program}": ${usefulLine(log) ?? errnoName(errno)}`)
    this.program = program
    this.log = log
  }
}

/**
 * The line of a verifier's log that says what is wrong: the last one that is neither an instruction, a state of registers, a
 * line of source nor a statistic. Pure.
 */
export function usefulLine(log: string): string | undefined {
  return log
    .split('\n')
    .map((line) => line.trim())
    .findLast((line) => line !== '' && !NOISE.test(line))
}

const NOISE =
  /^(?:\d+: ?(?:\([0-9a-f]{2}\)|R\d|\d)|from \d+ to \d+|; |R\d+(?:_\w+)?=|frame\d+:|processed \d+ insns|verification time|stack depth|BPF_CORE_READ|-- (?:BEGIN|END)|max_states|mark_precise|func#\d+ |insns processed)/

/** Most of libbpf answers with a negative errno. @throws {SyscallError} */
export function must(result: number, call: string): number {
  if (result < 0) throw new SyscallError(call, -result)
  return result
}
