/** Subjects of `ncl/v1`, of log streams and of what the legacy protocol still needs (wire-protocol.md section 3). */
import { BacalhauError, isId } from '../../model/mod.ts';

const COMPUTE = 'bacalhau.global.compute';

/** Requests of any node to the orchestrators; the node id is the fourth token. */
export const CONTROL_REQUESTS = `${COMPUTE}.*.out.ctrl`;
/** Requests of running executions (pre-signed URLs). */
export const OTHER_REQUESTS = `${COMPUTE}.*.out.requests`;
/** Registration by the legacy protocol, refused so that the node goes on with `ncl/v1` at once. */
export const LEGACY_MANAGEMENT = 'node.management.>';

/** Orchestrators listen with a wildcard for one token, so the dots of a host name are written otherwise here alone. */
export const controlSubject = (nodeId: string): string =>
  `${COMPUTE}.${nodeId.replaceAll('.', '%2E')}.out.ctrl`;
export const inSubject = (nodeId: string): string => `${COMPUTE}.${nodeId}.in.msgs`;
export const outSubject = (nodeId: string): string => `${COMPUTE}.${nodeId}.out.msgs`;

/** Log requests of the orchestrator to a node; the method is what follows the id. */
export const logSubject = (nodeId: string): string => `node.compute.${nodeId}.ExecutionLogs/v1`;

/**
 * Ours: an empty message that asks nodes to send a heartbeat now, published when an orchestrator starts (all nodes) or
 * drops a session (one node), so that nobody waits for the next heartbeat to learn of it. Nodes of the original
 * subscribe to neither.
 */
export const HELLO_ALL = 'bacalhau.global.hello';
export const helloSubject = (nodeId: string): string => `bacalhau.global.hello.${nodeId}`;

/** Ours: a request there is answered by that boot of the node, by which two processes of one id are told apart. */
export const aliveSubject = (nodeId: string, bootId: string): string =>
  `bacalhau.global.alive.${nodeId}.${bootId}`;

/** The node id of a control subject. */
export function nodeOfSubject(subject: string): string {
  return (subject.split('.')[3] ?? '').replaceAll('%2E', '.');
}

/** @throws BacalhauError `BadRequest` */
export function checkNodeId(nodeId: string): void {
  if (isId(nodeId)) return;
  throw new BacalhauError('BadRequest', `Cannot use node id "${nodeId}": it is not of the form of one`, {
    hint: 'Use letters, digits, "-", "_", "=" and single dots, at most 255.',
  });
}
