/** `JobDefaults.*` (config.md 11): what a job gets where it says nothing. */
import { duration, int, map, text } from '../key.ts';

const longRunning = (kind: string) => ({
  Priority: int(0, `Priority of ${kind} jobs that name none.`, { min: -(2 ** 31) }),
  Task: {
    Resources: {
      CPU: text('500m', `CPU of ${kind} tasks that name none.`),
      Memory: text('512Mb', `Memory of ${kind} tasks that name none.`),
      Disk: text('', `Disk space of ${kind} tasks that name none.`),
      GPU: text('', `GPUs of ${kind} tasks that name none.`),
    },
  },
});

const finite = (kind: string) => {
  const { Priority, Task } = longRunning(kind);
  return {
    Priority,
    Task: {
      ...Task,
      Publisher: {
        Type: text('', `Publisher of ${kind} tasks that name none.`),
        Params: map({}, 'Parameters of that publisher.'),
      },
      Timeouts: {
        TotalTimeout: duration(0, `Total time-out of ${kind} tasks that name none; 0 = none.`),
        ExecutionTimeout: duration(0, `Execution time-out of ${kind} tasks that name none; 0 = none.`),
      },
    },
  };
};

export const JobDefaults = {
  Batch: finite('batch'),
  Ops: finite('ops'),
  Daemon: longRunning('daemon'),
  Service: longRunning('service'),
};
