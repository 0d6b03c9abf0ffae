/**
 * Where ours means something else than the original (shared differences, table A). `Compatibility: "1.9"` restores all
 * of them together; each boolean is consulted in exactly one place.
 */

/** Where this program differs from the original on purpose, each with its switch (compatibility.md). */
export interface Compatibility {
  /** A1: an exit code other than 0 fails the execution and the job. */
  readonly exitCodeFails: boolean;
  /** A2: the command line ends with 1 when the job it watched failed. */
  readonly clientReportsFailure: boolean;
  /** A5: inputs are read-only unless the input says otherwise. */
  readonly inputsReadOnly: boolean;
  /** A6 (its user-error half): user errors and time-outs are final, not tried on other nodes. */
  readonly userErrorsFinal: boolean;
  /** A7 (modules): a module that a node's restart ended is run again and this is no failure. */
  readonly modulesRunAgain: boolean;
  /** A13: a task that asks for no disk is held to the share that its node grants it. */
  readonly diskGranted: boolean;
  /** A8: unknown keys in a configuration file are warned about. */
  readonly unknownKeysReported: boolean;
}

/** @param version value of the key `Compatibility`: empty for our meaning, `1.9` for the original's */
export function compatibility(version: '' | '1.9'): Compatibility {
  const ours = version === '';
  return Object.freeze({
    exitCodeFails: ours,
    clientReportsFailure: ours,
    inputsReadOnly: ours,
    userErrorsFinal: ours,
    modulesRunAgain: ours,
    diskGranted: ours,
    unknownKeysReported: ours,
  });
}
