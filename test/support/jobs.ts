/** Job specs that tests and benches submit over REST. */

/** `(module $m (func (export "_start")))`: starts and returns. The original refuses a module without a name section. */
export const EMPTY_MODULE = 'AGFzbQEAAAABBAFgAAADAgEABwoBBl9zdGFydAAACgQBAgALAAkEbmFtZQACAW0=';

export interface WasmJob {
  readonly name?: string;
  /** Base64 of the module. */
  readonly module?: string;
  readonly task?: Record<string, unknown>;
  readonly parameters?: readonly string[];
  /** Further parameters of the engine. */
  readonly params?: Record<string, unknown>;
  readonly inputs?: readonly unknown[];
  readonly count?: number;
}

/** The body of `PUT /api/v1/orchestrator/jobs` for a module that travels inline. */
export function wasmJob(options: WasmJob = {}): { Job: Record<string, unknown> } {
  return {
    Job: {
      ...(options.name ? { Name: options.name } : {}),
      Type: 'batch',
      Count: options.count ?? 1,
      Tasks: [{
        Name: 'main',
        Engine: {
          Type: 'wasm',
          Params: {
            EntryModule: '/main.wasm',
            Entrypoint: '_start',
            Parameters: options.parameters ?? [],
            ...options.params,
          },
        },
        InputSources: [
          {
            Source: {
              Type: 'inline',
              Params: { URL: `data:application/wasm;base64,${options.module ?? EMPTY_MODULE}` },
            },
            Target: '/main.wasm',
          },
          ...(options.inputs ?? []),
        ],
        ...options.task,
      }],
    },
  };
}

export interface DockerJob {
  readonly name?: string;
  readonly image: string;
  readonly parameters?: readonly string[];
  /** Further parameters of the engine. */
  readonly params?: Record<string, unknown>;
  readonly task?: Record<string, unknown>;
  readonly count?: number;
}

/** The body of `PUT /api/v1/orchestrator/jobs` for a container. */
export function dockerJob(options: DockerJob): { Job: Record<string, unknown> } {
  return {
    Job: {
      ...(options.name ? { Name: options.name } : {}),
      Type: 'batch',
      Count: options.count ?? 1,
      Tasks: [{
        Name: 'main',
        Engine: {
          Type: 'docker',
          Params: { Image: options.image, Parameters: options.parameters ?? [], ...options.params },
        },
        ...options.task,
      }],
    },
  };
}
