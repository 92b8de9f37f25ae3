import { Test, type TestingModule } from '@nestjs/testing';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { AuthenticatorsModule } from '#libs/authenticators';
import { PreparedStatements, type PreparedStatement } from '#libs/database';
import { JobProducer } from '#libs/jobs';
import { FirstAttempt, type Row } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule } from '#libs/platform';
import { testDatabaseUrl, testServersConfig, until } from '#libs/testing';
import { IntegrationHealth } from '../../libs/onboarding/src/integrations/integration-health.js';
import { OnboardingCounts } from '../../libs/onboarding/src/counts/onboarding-counts.js';
import { KeyChecks } from '../../libs/onboarding/src/upkeep/key-checks.js';
import { RetryBudget } from '../../libs/onboarding/src/attempt/retry-budget.js';

/** Sets a savepoint before each statement, so that a failed statement does not undo the others. */
class Savepoints extends PreparedStatements {
  isHeld = false;

  constructor(private readonly ownDataSource: DataSource) {
    super(ownDataSource);
  }

  override async run<T>(statement: PreparedStatement, values: unknown[]): Promise<T[]> {
    if (!this.isHeld) return super.run(statement, values);
    await this.ownDataSource.query('SAVEPOINT each');
    try {
      return await super.run(statement, values);
    } catch (error) {
      await this.ownDataSource.query('ROLLBACK TO SAVEPOINT each');
      throw error;
    }
  }
}

/**
 * The services of one process, over one connection. `begin` and `end` put their statements into one
 * transaction.
 */
export class Side {
  #backend = 0;

  private constructor(
    private readonly module: TestingModule,
    readonly dataSource: DataSource,
  ) {}

  static async open(env: Record<string, string> = {}): Promise<Side> {
    const config = await testServersConfig({ DATABASE_POOL_SIZE: '1', ...env });
    const module = await Test.createTestingModule({
      imports: [PlatformModule.forRoot(config), OtpModule, AuthenticatorsModule],
    })
      .overrideProvider(PreparedStatements)
      .useFactory({ factory: (dataSource: DataSource) => new Savepoints(dataSource), inject: [DataSource] })
      // No call to the provider follows a claim.
      .overrideProvider(FirstAttempt)
      .useValue({ runAndWait: ({ row }: { row: Row }) => Promise.resolve(row) })
      .overrideProvider(JobProducer)
      .useValue({ add: () => Promise.resolve(true), wake: () => Promise.resolve('queued') })
      .overrideProvider(RetryBudget)
      .useValue({ firstTry: () => undefined, take: () => Promise.resolve(1_000) })
      // No background work may use the connection during a transaction.
      .overrideProvider(IntegrationHealth)
      .useValue({})
      .overrideProvider(KeyChecks)
      .useValue({})
      .overrideProvider(OnboardingCounts)
      .useValue({ steps: [], fault: null })
      .compile();
    module.useLogger(false);
    await module.init();
    return new Side(module, module.get(DataSource));
  }

  get<T>(token: abstract new (...args: never[]) => T): T {
    return this.module.get<T>(token);
  }

  get backend(): number {
    return this.#backend;
  }

  async meet(): Promise<void> {
    const [{ pid }] = await this.dataSource.query('SELECT pg_backend_pid() AS pid');
    this.#backend = pid;
  }

  async begin(): Promise<void> {
    await this.dataSource.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    this.get(PreparedStatements as typeof Savepoints).isHeld = true;
  }

  async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    this.get(PreparedStatements as typeof Savepoints).isHeld = false;
    await this.dataSource.query(how);
  }

  close = () => this.module.close();
}

/** Before the first statement commits, the second one waits for it or ends (`passes`). */
export type Met = 'waits' | 'passes';

export class Watcher {
  private constructor(private readonly client: Client) {}

  static async open(): Promise<Watcher> {
    const client = new Client({ connectionString: await testDatabaseUrl() });
    await client.connect();
    return new Watcher(client);
  }

  async query<T>(text: string, values: unknown[] = []): Promise<T[]> {
    return (await this.client.query(text, values)).rows as T[];
  }

  async meeting(second: Side, first: Side, ended: () => boolean): Promise<Met> {
    return until<Met>('the second statement waits or ends', async () => {
      if (ended()) return 'passes';
      const [row] = await this.query<{ waits: boolean }>('SELECT $2 = ANY (pg_blocking_pids($1)) AS waits', [
        second.backend,
        first.backend,
      ]);
      return row!.waits ? 'waits' : (null as never);
    });
  }

  async deadlocks(): Promise<number> {
    const [row] = await this.query<{ deadlocks: string }>(
      'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
    );
    return Number(row!.deadlocks);
  }

  async end(side: Side): Promise<void> {
    await this.query('SELECT pg_terminate_backend($1)', [side.backend]);
    await until('the connection has ended', async () => {
      const left = await this.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [side.backend]);
      return left.length === 0;
    });
  }

  close = () => this.client.end();
}
