import { ApiKeys, Audit } from '#libs/callers';
import { PreparedStatements, createDataSource } from '#libs/database';
import { KeyedHash, parseStoreConfig } from '#libs/platform';

/** What commands work on: the rows, without a server around them. */
export interface Store {
  keys: ApiKeys;
  close(): Promise<void>;
}

/** @throws ConfigError, or what PostgreSQL says when it cannot be reached. */
export async function openStore(env: NodeJS.ProcessEnv): Promise<Store> {
  const { DATABASE_URL, HASH_KEY } = parseStoreConfig(env);
  const dataSource = await createDataSource({ url: DATABASE_URL, poolSize: 1 }).initialize();
  const statements = new PreparedStatements(dataSource);
  const keys = new ApiKeys(statements, new KeyedHash(HASH_KEY), new Audit(statements));
  return { keys, close: () => dataSource.destroy() };
}
