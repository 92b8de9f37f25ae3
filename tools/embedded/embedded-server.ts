/** A PostgreSQL or Redis that Gangway started itself, or found running from an earlier time. */
export interface EmbeddedServer {
  readonly url: string;
  /** It was left behind by a run that could not stop it. */
  readonly adopted: boolean;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The server's own folder; made if missing. */
  folder: string;
  password: string;
  port: number;
  /** The data lives for one test run: no fsync, because losing it to a power cut costs nothing. */
  throwaway?: boolean;
}
