import { ApiKeys, Audit } from '#libs/callers';
import { LogLevels, PreparedStatements, dataSourceOptions, openDataSource } from '#libs/database';
import { systemClock } from '#libs/kernel';
import { Operations, RefusalList, Timelines } from '#libs/onboarding';
import { LoginLinks, loginLink, type NewLink } from '#libs/operators';
import { KeyedHash, consoleUrl, parseStoreConfig } from '#libs/platform';

/** Gives the commands access to the tables, without a server. */
export interface Store {
  keys: ApiKeys;
  timelines: Timelines;
  operations: Operations;
  audit: Audit;
  logLevels: LogLevels;
  refusals: RefusalList;
  /** Makes and audits a login link. @returns its URL. */
  loginLink(link: NewLink, actor: string): Promise<string>;
  close(): Promise<void>;
}

/** @throws ConfigError, or PostgreSQL's error if PostgreSQL is not available. */
export async function openStore(env: NodeJS.ProcessEnv): Promise<Store> {
  const config = parseStoreConfig(env);
  const { DATABASE_URL, DATABASE_POOLER, HASH_KEY } = config;
  const connecting = { url: DATABASE_URL, poolSize: 1, pooler: DATABASE_POOLER };
  const dataSource = await openDataSource(dataSourceOptions(connecting));
  const statements = new PreparedStatements(dataSource);
  const hash = new KeyedHash(HASH_KEY);
  const audit = new Audit(statements);
  const links = new LoginLinks(statements, hash);
  return {
    keys: new ApiKeys(statements, hash, audit),
    timelines: new Timelines(statements, hash),
    // The commands use no Redis, so no job starts an operation. A scheduled job of the worker finds it.
    operations: new Operations(statements, null, systemClock),
    audit,
    refusals: new RefusalList(statements),
    logLevels: new LogLevels(statements),
    async loginLink(link, actor) {
      const { token, name } = await links.make(link);
      const data = { role: link.role };
      const target = `operator:${name}`;
      await audit.record({ actor, action: 'console_link_made', target, address: null, data });
      return loginLink(consoleUrl(config), token);
    },
    close: () => dataSource.destroy(),
  };
}
