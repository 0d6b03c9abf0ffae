/** Short names of the codecs that are used most. @throws DecodeError with every problem, those that decode */
import { executionCodec } from './execution.ts';
import { jobCodec } from './job.ts';
import { nodeInfoCodec, nodeStateCodec } from './node.ts';

export const { decode: decodeJob, encode: encodeJob } = jobCodec;
export const { decode: decodeExecution, encode: encodeExecution } = executionCodec;
export const { decode: decodeNodeInfo, encode: encodeNodeInfo } = nodeInfoCodec;
export const { decode: decodeNodeState, encode: encodeNodeState } = nodeStateCodec;
