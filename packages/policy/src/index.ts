export {
  type AuthorizationPolicy,
  type Clause,
  type IpPrefix,
  type Match,
  type PolicyAction,
  policyKey,
  type PolicyScope,
  type Rule,
  type ServiceAccountMatch,
  type StringMatch,
} from './authorization-policy.ts'
export { type CompiledPolicy, compilePolicy } from './compile-policy.ts'
export {
  type CompiledPolicies,
  compilePolicies,
  type ConnectionAttempt,
  decide,
  type Decision,
  type DryRunFinding,
  joinPolicies,
} from './decide.ts'
