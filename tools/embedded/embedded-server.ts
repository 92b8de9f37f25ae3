/** A PostgreSQL or Redis that Gangway started now, or found running from an earlier run. */
export interface EmbeddedServer {
  readonly url: string;
  /** Whether the server was still running from an earlier run. */
  readonly adopted: boolean;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The server's own folder. It is created if it does not exist. */
  folder: string;
  password: string;
  port: number;
  /**
   * Whether the data is only for one test run. Then the server runs without fsync, because the data may be
   * lost in a power cut.
   */
  throwaway?: boolean;
}
