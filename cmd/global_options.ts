/** The flags of every command. */
export interface GlobalOptions {
  readonly config: readonly string[];
  readonly apiHost?: string;
  readonly apiPort?: number;
  readonly dataDir?: string;
  readonly logLevel?: string;
  /** Accepted for the original's sake; profiles come with the whole command line. */
  readonly profile?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;
