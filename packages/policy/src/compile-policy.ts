import { type AuthorizationPolicy, type Clause, policyKey, type Rule } from './authorization-policy.ts'
import { compileMatch, type Test } from './compile-match.ts'

/** A policy made ready to be asked often. Holds closures: it stays in the thread that compiled it. */
export interface CompiledPolicy {
  readonly key: string
  readonly action: AuthorizationPolicy['action']
  readonly dryRun: boolean
  readonly matches: Test
}

/** Sets and address bytes are made here, once, so that a connection pays for comparisons only. */
export function compilePolicy(policy: AuthorizationPolicy): CompiledPolicy {
  const rules = policy.rules.map(compileRule)
  return {
    key: policyKey(policy),
    action: policy.action,
    dryRun: policy.dryRun,
    matches: (facts) => rules.some((rule) => rule(facts)), // without rules: never
  }
}

function compileRule(rule: Rule): Test {
  const clauses = rule.map(compileClause)
  return (facts) => clauses.every((clause) => clause(facts)) // without clauses: always
}

function compileClause(clause: Clause): Test {
  if (clause.length === 0) return () => true
  const matches = clause.map(compileMatch).filter((match) => match !== undefined)
  return (facts) => matches.some((match) => match(facts)) // all of them empty: never
}
