/** A PostgreSQL or Redis that this run or an earlier run has started. */
export interface EmbeddedServer {
  readonly url: string;
  /** Whether an earlier run has started the server. */
  readonly adopted: boolean;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The server's own folder, created if missing. */
  folder: string;
  password: string;
  port: number;
  /** For a test run, whose data may be lost in a power cut: the server runs without fsync. */
  throwaway?: boolean;
}
