/** Which hosts a program may reach, and the proxy that sees to it (README.md). Knows nothing of jobs or containers. */
export { addressKind, canonicalAddress } from './addresses.ts';
export { DECISION_LOG, type DecisionEntry, type DecisionSink, openDecisionLog } from './decision_log.ts';
export { dial } from './dial.ts';
export { type ForwarderArguments, forwarderCommand, READY } from './forwarder.ts';
export { mayKeepConnections } from './keep_alive.ts';
export { endToEndHeaders, isHopByHop } from './messages.ts';
export { OpenRules } from './open_rules.ts';
export {
  CLOSED,
  type Decision,
  EgressPolicy,
  type PolicyOptions,
  type Resolve,
  type Target,
} from './policy.ts';
export { DEFAULT_LIMITS, EgressProxy, type ProxyLimits, type ProxyOptions } from './proxy.ts';
export { Meter, TokenBucket } from './rate.ts';
export { type Remark, withRemarks } from './remarks.ts';
export {
  canonicalHost,
  DomainRules,
  type HostRules,
  MAX_ENTRIES,
  MAX_ENTRY_LENGTH,
  parseDomains,
  type RuleProblem,
} from './rules.ts';
export { RequestRecord } from './request_record.ts';
