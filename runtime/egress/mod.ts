/** Which hosts a program may reach, and the proxy that sees to it (README.md). Knows nothing of jobs or containers. */
export { addressKind, canonicalAddress } from './addresses.ts';
export { type DecisionEntry, type DecisionSink, openDecisionLog } from './decision_log.ts';
export { type ForwarderArguments, forwarderCommand, READY } from './forwarder.ts';
export { type Decision, EgressPolicy, type PolicyOptions, type Resolve, type Target } from './policy.ts';
export { DEFAULT_LIMITS, EgressProxy, type ProxyLimits, type ProxyOptions } from './proxy.ts';
export { canonicalHost, DomainRules, parseDomains, type RuleProblem } from './rules.ts';
