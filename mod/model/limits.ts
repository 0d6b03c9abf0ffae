/**
 * The largest job that is taken. The words are those of JSON Schema, so that a published schema is this table with types
 * added; `validateSubmission` (mod/spec) checks them for client and server, before any other rule looks at a value. The
 * original has no such limits; these are far above what it can run, and low enough that each number can be counted with
 * and each list gone through in one step.
 */

/** Bounds of a value and of what it holds, as in a JSON Schema. */
export interface Limit {
  /** What to do about a number that is out of range. */
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  /** UTF-16 units of a text. */
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly items?: Limit;
  readonly maxProperties?: number;
  /** Keys of a map. */
  readonly propertyNames?: Limit;
  /** Values of a map. */
  readonly additionalProperties?: Limit;
  readonly properties?: Readonly<Record<string, Limit>>;
}

/** 100 years: with it a time stays below 2^63 nanoseconds since the epoch. */
export const MAX_SECONDS = 3_153_600_000;
/** A rank is a time less this many seconds. */
export const MAX_PRIORITY = 2 ** 31 - 1;

const seconds: Limit = { minimum: 0, maximum: MAX_SECONDS, description: 'it counts seconds, 0 = no limit' };
const name: Limit = { maxLength: 255 };
const path: Limit = { maxLength: 4096 };
const texts = (maxProperties: number, maxKey: number, maxLength: number): Limit => ({
  maxProperties,
  propertyNames: { maxLength: maxKey },
  additionalProperties: { maxLength },
});
const typed: Limit = { properties: { Type: { maxLength: 64 }, Params: { maxProperties: 256 } } };
const amount: Limit = { maxLength: 64 };

const task: Limit = {
  properties: {
    Name: name,
    Engine: typed,
    Publisher: typed,
    Env: texts(4096, 1024, 131_072),
    Meta: texts(1024, 512, 65_536),
    InputSources: { maxItems: 1024, items: { properties: { Source: typed, Alias: name, Target: path } } },
    ResultPaths: { maxItems: 1024, items: { properties: { Name: name, Path: path } } },
    Resources: { properties: { CPU: amount, Memory: amount, Disk: amount, GPU: amount } },
    Network: {
      properties: {
        Domains: { maxItems: 1024, items: { maxLength: 512 } },
        Ports: {
          maxItems: 1024,
          items: {
            properties: {
              Name: { maxLength: 237 },
              Static: { minimum: 0, maximum: 65_535 },
              Target: { minimum: 0, maximum: 65_535 },
              HostNetwork: { maxLength: 64 },
            },
          },
        },
      },
    },
    Timeouts: { properties: { ExecutionTimeout: seconds, QueueTimeout: seconds, TotalTimeout: seconds } },
  },
};

/** The bounds of a job, for validation and the JSON Schema alike. */
export const JOB_LIMITS: Limit = {
  properties: {
    ID: name,
    Name: name,
    Namespace: name,
    Type: { maxLength: 64 },
    Priority: {
      minimum: -MAX_PRIORITY,
      maximum: MAX_PRIORITY,
      description: 'only the order of priorities counts',
    },
    Count: { minimum: 0, maximum: 10_000, description: 'divide the work among several jobs' },
    Constraints: {
      maxItems: 256,
      items: {
        properties: {
          Key: { maxLength: 330 },
          Operator: { maxLength: 16 },
          Values: { maxItems: 1024, items: { maxLength: 63 } },
        },
      },
    },
    Meta: texts(1024, 512, 65_536),
    Labels: texts(1024, 512, 4096),
    Tasks: { maxItems: 64, items: task },
  },
};

/** The same for amounts, which jobs write as texts: cores, bytes, devices. */
export const AMOUNT_LIMITS = { CPU: 1_000_000, Memory: 2 ** 53, Disk: 2 ** 53, GPU: 1_000_000 } as const;
