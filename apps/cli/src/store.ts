import { ApiKeys, Audit } from '#libs/callers';
import { PreparedStatements, dataSourceOptions, openDataSource } from '#libs/database';
import { Secret, systemClock } from '#libs/kernel';
import { Timelines } from '#libs/onboarding';
import { EnvironmentAccount, OperatorAccounts, PasswordHashes } from '#libs/operators';
import { KeyedHash, parseStoreConfig } from '#libs/platform';

/** Gives the commands access to the tables, without a server. */
export interface Store {
  keys: ApiKeys;
  operators: OperatorAccounts;
  timelines: Timelines;
  audit: Audit;
  close(): Promise<void>;
}

/** @throws ConfigError, or PostgreSQL's error if it is not available. */
export async function openStore(env: NodeJS.ProcessEnv): Promise<Store> {
  const { DATABASE_URL, DATABASE_POOLER, HASH_KEY, OPS_SCRYPT_LOG_N } = parseStoreConfig(env);
  const connecting = { url: DATABASE_URL, poolSize: 1, pooler: DATABASE_POOLER };
  const dataSource = await openDataSource(dataSourceOptions(connecting));
  const statements = new PreparedStatements(dataSource);
  const hash = new KeyedHash(HASH_KEY);
  const audit = new Audit(statements);
  // An account must not have the name of the account that the environment variables define.
  const { OPS_USER = 'ops', OPS_PASSWORD } = env;
  const ops = { OPS_USER, OPS_PASSWORD: OPS_PASSWORD ? new Secret(OPS_PASSWORD) : undefined };
  const environment = new EnvironmentAccount(ops, hash);
  const hashes = new PasswordHashes({ OPS_SCRYPT_LOG_N });
  return {
    keys: new ApiKeys(statements, hash, audit),
    operators: new OperatorAccounts(statements, hashes, environment, systemClock),
    timelines: new Timelines(statements, hash),
    audit,
    close: () => dataSource.destroy(),
  };
}
