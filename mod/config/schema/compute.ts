/** `Compute.*` (config.md 9) and `JobAdmissionControl.*` (12). */
import {
  choice,
  duration,
  flag,
  HOUR,
  ignored,
  int,
  list,
  MINUTE,
  refused,
  SECOND,
  size,
  text,
} from '../key.ts';

export const Compute = {
  Enabled: flag(false, 'Run a compute node in this process.'),
  Orchestrators: list(
    ['nats://127.0.0.1:4222'],
    'Orchestrators to connect to; nats://token@host:port carries a token.',
    { secret: true },
  ),
  Network: {
    AdvertisedAddress: text('', 'Address of this node as others are told.'),
    PortRangeStart: int(20000, 'First port that jobs may be given.', { min: 1, max: 65535 }),
    PortRangeEnd: int(32000, 'Last port that jobs may be given.', { min: 1, max: 65535 }),
  },
  Auth: {
    Token: text(
      '',
      'Secret to present to the orchestrator; on a command line others of the machine see it.',
      {
        secret: true,
      },
    ),
  },
  Heartbeat: {
    InfoUpdateInterval: duration(MINUTE, 'Time between two messages about what this node is.', { min: 1 }),
    ResourceUpdateInterval: duration(
      0,
      'Deprecated; heartbeats carry resources.',
      ignored('an interval of its own'),
    ),
    Interval: duration(15 * SECOND, 'Time between two heartbeats.', { min: 1 }),
  },
  AllocatedCapacity: {
    CPU: text('80%', 'CPU that jobs may use: a share (80%), cores (2) or millicores (500m).'),
    Memory: text('80%', 'Memory that jobs may use: a share (80%) or a size (4Gb).'),
    Disk: text('80%', 'Disk space that jobs may use: a share (80%) or a size (100Gb).'),
    GPU: text('100%', 'GPUs that jobs may use: a share (100%) or a number.'),
  },
  AllowListedLocalPaths: list(
    [],
    'Local paths that jobs may read: globs (/data/**), with ":rw" to write, too.',
  ),
  TLS: {
    CACert: text('', 'File with a certificate authority to trust for the orchestrator.'),
    RequireTLS: flag(false, 'Connect to the orchestrator only with TLS.'),
  },
  Env: {
    AllowList: list([], 'Variables of this host that jobs may ask for: names with * and ? (AWS_*).'),
  },
  Logs: {
    MaxSize: size(1024 ** 3, 'Output of one execution that is kept in its log. (Not in 1.9)', { min: 1024 }),
  },
  Limits: {
    MaxOutputSize: size(64 * 1024, 'Output per stream that travels with the result. (Not in 1.9)'),
    StopGrace: duration(SECOND, 'Time between the polite and the forced end of a program. (Not in 1.9)'),
    DiskCheckInterval: duration(
      SECOND / 2,
      'Time between two looks at how much of its disk space an execution has used. (Not in 1.9)',
      { min: 1 },
    ),
    SalvageTimeout: duration(
      30 * SECOND,
      'How long publishing what a failed or stopped execution has left may take. (Not in 1.9)',
      { min: 1 },
    ),
    EngineAway: duration(
      HOUR,
      'How long an engine that does not answer is waited for before what it runs is given up. (Not in 1.9)',
    ),
  },
  SweepInterval: duration(
    MINUTE,
    'Time between two comparisons of what engines hold with what executions own; the rest is removed. (Not in 1.9)',
    { min: 1 },
  ),
  Retention: {
    Confirmed: duration(
      HOUR,
      'How long logs are kept after the orchestrator confirmed the end. (Not in 1.9)',
    ),
    Unconfirmed: duration(7 * 24 * HOUR, 'How long logs and results are kept if it never did. (Not in 1.9)'),
  },
};

export const JobAdmissionControl = {
  RejectStatelessJobs: flag(false, 'Refuse jobs without inputs.'),
  RejectNetworkedJobs: flag(false, 'Refuse jobs that ask for a network.'),
  Locality: choice(
    ['anywhere', 'local'],
    'anywhere',
    'local: take only jobs whose inputs are on this node.',
    refused('a check where inputs are'),
  ),
  ProbeHTTP: text(
    '',
    'URL of a web service that is asked whether to take a job.',
    refused('admission probes'),
  ),
  ProbeExec: text('', 'Command that is asked whether to take a job.', refused('admission probes')),
};
