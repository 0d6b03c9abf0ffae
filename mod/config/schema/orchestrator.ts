/** `Orchestrator.*` (config.md 8). */
import { duration, flag, HOUR, ignored, int, list, MINUTE, SECOND, text } from '../key.ts';

const cluster = ignored('several orchestrators');
const workers = ignored('workers that plan apart from the transaction');

export const Orchestrator = {
  Enabled: flag(false, 'Run the orchestrator in this process.'),
  Host: text('0.0.0.0', 'Address on which the orchestrator listens for compute nodes (NATS).'),
  Port: int(4222, 'Port on which the orchestrator listens for compute nodes (NATS). 0 takes a free one.', {
    max: 65535,
  }),
  Advertise: text('', 'Address that compute nodes are told to use.'),
  Auth: {
    Token: text('', 'Secret that compute nodes must know; on a command line others of the machine see it.', {
      secret: true,
    }),
  },
  TLS: {
    ServerCert: text('', 'File with the certificate for compute nodes; needs ServerKey.'),
    ServerKey: text('', 'File with the private key; needs ServerCert.'),
    ServerTimeout: int(0, 'Seconds for the TLS handshake and what follows it; 0 = 3.', { max: 3600 }),
    CACert: text('', "File with the certificate authority of the orchestrator's own connection.", {
      // That connection does not leave the process.
      met: true,
    }),
  },
  SupportReverseProxy: flag(
    false,
    'Take plain connections although TLS is announced: a proxy in front ends it.',
  ),
  StoreTimeout: duration(
    30 * SECOND,
    'How long a request waits while the store cannot be written: disk full, file locked. (Not in 1.9)',
  ),
  Cluster: {
    Name: text('', 'Name of the cluster of orchestrators.', cluster),
    Host: text('', 'Address for connections between orchestrators.', cluster),
    Port: int(0, 'Port for connections between orchestrators.', { ...cluster, max: 65535 }),
    Advertise: text('', 'Address that other orchestrators are told to use.', cluster),
    Peers: list([], 'Other orchestrators of the cluster.', { ...cluster, secret: true }),
  },
  NodeManager: {
    DisconnectTimeout: duration(MINUTE, 'Silence after which a node counts as disconnected.', { min: 1 }),
    ManualApproval: flag(false, 'New nodes wait for approval before they get work.'),
    MaxPendingNodes: int(1000, 'Nodes that wait for approval at most; more are turned away. (Not in 1.9)', {
      min: 1,
    }),
  },
  Scheduler: {
    WorkerCount: int(({ cpus }) => cpus, 'Evaluations that are worked on at the same time.', {
      ...workers,
      min: 1,
    }),
    QueueBackoff: duration(
      MINUTE,
      'Time until a node that turned a job away for now, or failed it, is asked again.',
      {
        min: 1,
      },
    ),
    HousekeepingInterval: duration(30 * SECOND, 'Time between two rounds of housekeeping.', { min: 1 }),
    HousekeepingTimeout: duration(
      2 * MINUTE,
      'Grace after a time-out of a job until the orchestrator ends it.',
      {
        min: 1,
      },
    ),
    DefaultQueueTimeout: duration(
      HOUR,
      'How long a job without QueueTimeout waits for nodes that could run it later; 0 = it fails at once. (Not in 1.9)',
    ),
    BidTimeout: duration(
      2 * MINUTE,
      'Time a node has to answer whether it takes an execution. (Not in 1.9)',
      {
        min: 1,
      },
    ),
    DisconnectWindow: duration(
      5 * MINUTE,
      "How long a silent node's work counts as unknown before it is lost. (Not in 1.9)",
    ),
    MaxRetries: int(2, "Further attempts after failures that are not the job's fault. (Not in 1.9)"),
    RetryBackoff: duration(SECOND, 'Wait before the first further attempt; doubles each time. (Not in 1.9)'),
    RetryBackoffMax: duration(MINUTE, 'Longest wait before a further attempt. (Not in 1.9)'),
  },
  EvaluationBroker: {
    VisibilityTimeout: duration(MINUTE, 'How long a worker may hold an evaluation.', {
      ...workers,
      min: 1,
    }),
    MaxRetryCount: int(
      10,
      'Failed tries of an evaluation after which the history of its job tells; it is tried on.',
      { min: 1 },
    ),
  },
};
