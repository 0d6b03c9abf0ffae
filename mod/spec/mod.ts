/**
 * What a person writes → Job. Reading a text: {@link readSpec}, {@link parseJobFile}. The server's side of a submission:
 * {@link prepareForSubmission}, {@link specEquals}. Short forms of the command line: {@link parseInput},
 * {@link parsePublisher}, {@link parseOutput}, {@link parsePort}, {@link parseConstraints}.
 */
export { parseConstraints } from './constraint_text.ts';
export { splitList } from './csv.ts';
export { applyDefaults, type JobDefaults, type TaskDefaults, type TypeDefaults } from './defaults.ts';
export { specEquals } from './equal.ts';
export { labelKeyComplaint, labelValueComplaint } from './labels.ts';
export { normaliseJob, normaliseResources } from './normalise.ts';
export { parsePort } from './port_text.ts';
export { describeProblem, specError, type SpecProblem } from './problem.ts';
export { parseJobFile, type ParseOptions, type Read, readSpec } from './read.ts';
export { sanitiseJob } from './sanitise.ts';
export { parseInput, parseOutput, parsePublisher } from './shorthand.ts';
export { MetaKey, type Prepared, prepareForSubmission, type SubmissionContext } from './submit.ts';
export { expandTemplate, templateVariables, type Variables } from './template.ts';
export { validateStored, validateSubmission } from './validate.ts';
