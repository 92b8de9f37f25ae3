/** A running PostgreSQL or Redis that this run or an earlier run of Gangway has started. */
export interface EmbeddedServer {
  readonly url: string;
  /** Whether an earlier run has started the server. */
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
