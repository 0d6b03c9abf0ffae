/** Which flag a problem of a job comes from: a person who wrote flags has seen no field. */
import type { SpecProblem } from '../mod/spec/mod.ts';

/** Fields and the flags that set them; of two that fit, the first. */
const FLAGS: readonly (readonly [field: string, flag: string])[] = [
  ['Name', '--name'],
  ['Namespace', '--namespace'],
  ['Priority', '--priority'],
  ['Count', '--count'],
  ['Constraints', '--constraints'],
  ['Labels', '--labels'],
  ['Tasks[0].Name', '--task-name'],
  ['Tasks[0].Engine.Params.Image', 'the image'],
  ['Tasks[0].Engine.Params.WorkingDirectory', '--workdir'],
  ['Tasks[0].Engine.Params.EntryModule', 'the module'],
  ['Tasks[0].Engine.Params.ImportModules', '--import-modules'],
  ['Tasks[0].Engine.Params.Parameters', 'the arguments'],
  ['Tasks[0].Env', '--env'],
  ['Tasks[0].InputSources', '--input'],
  ['Tasks[0].ResultPaths', '--output'],
  ['Tasks[0].Publisher', '--publisher'],
  ['Tasks[0].Resources.CPU', '--cpu'],
  ['Tasks[0].Resources.Memory', '--memory'],
  ['Tasks[0].Resources.Disk', '--disk'],
  ['Tasks[0].Resources.GPU', '--gpu'],
  ['Tasks[0].Network.Domains', '--domain'],
  ['Tasks[0].Network.Ports', '--port'],
  ['Tasks[0].Network', '--network'],
  ['Tasks[0].Timeouts.QueueTimeout', '--queue-timeout'],
  ['Tasks[0].Timeouts', '--timeout'],
];

/** The problem with the flag in the place of the field, where there is one; the only task needs no mention then. */
export function withFlagName(problem: SpecProblem): SpecProblem {
  const flag = FLAGS.find(([field]) => isWithin(problem.path, field))?.[1];
  if (flag === undefined) return problem;
  return { ...problem, path: flag, message: problem.message.replace(/^task [^:]*: /, '') };
}

function isWithin(path: string, field: string): boolean {
  return path === field || (path.startsWith(field) && /[.[]/.test(path[field.length]!));
}
