import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Health } from '#libs/platform';
import { MIGRATIONS } from './migrations/index.js';

/** Ready means: PostgreSQL answers, and its schema is the one that this code was written for. */
@Injectable()
export class DatabaseHealth {
  #migrated = false;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    health: Health,
  ) {
    health.register({ name: 'postgresql', vital: true, check: () => this.#check() });
  }

  async #check() {
    if (this.#migrated) await this.dataSource.query('SELECT 1');
    else this.#migrated = await this.#isMigrated();
    if (this.#migrated) return { status: 'up' as const };
    return { status: 'down' as const, detail: 'migrations are missing' };
  }

  /** Later migrations than ours are fine: each is compatible with the version before. */
  async #isMigrated(): Promise<boolean> {
    const [table] = await this.dataSource.query<{ name: string | null }[]>(
      `SELECT to_regclass('migrations')::text AS name`,
    );
    if (!table?.name) return false;
    const ran = await this.dataSource.query<{ name: string }[]>('SELECT name FROM migrations');
    const names = new Set(ran.map(({ name }) => name));
    return MIGRATIONS.every((migration) => names.has(migration.name));
  }
}
