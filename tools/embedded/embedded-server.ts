/** A PostgreSQL or Redis that Gangway started now, or found running from an earlier run. */
export interface EmbeddedServer {
  readonly url: string;
  /** Whether an earlier run left it behind. */
  readonly adopted: boolean;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The server's own folder. It is created if missing. */
  folder: string;
  password: string;
  port: number;
  /** The data is for one test run: it needs no fsync, because it may be lost in a power cut. */
  throwaway?: boolean;
}
