import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Health, type Finding } from '#libs/platform';
import { findOutage } from './database-fault.js';
import { MIGRATIONS } from './migrations/index.js';
import { poolOf } from './prepared-statements.js';

interface Server {
  standby: boolean;
  readOnly: boolean;
  pid: number;
}

const SERVER = `SELECT pg_is_in_recovery() AS standby, pg_backend_pid() AS pid,
  current_setting('transaction_read_only') = 'on' AS "readOnly"`;

/** PostgreSQL is up if it accepts writes and has all migrations of this code. */
@Injectable()
export class DatabaseHealth {
  #migrated = false;

  constructor(
    @InjectDataSource() private readonly dataSource: DataSource,
    health: Health,
  ) {
    health.register({ name: 'postgresql', vital: true, check: () => this.#check() });
  }

  async #check(): Promise<Finding> {
    try {
      const trouble = (await this.#findTrouble()) && (await this.#findTrouble());
      if (trouble) return { status: 'down', detail: trouble };
      this.#migrated ||= await this.#isMigrated();
      if (this.#migrated) return { status: 'up' };
      return { status: 'down', detail: 'migrations are missing' };
    } catch (error) {
      const { code } = error as { code?: string };
      return {
        status: 'down',
        detail: [findOutage(error) ?? 'a check fails', code && `(${code})`].join(' ').trim(),
      };
    }
  }

  /** The check asks twice: after a failover, a connection may still lead to the old server. */
  async #findTrouble(): Promise<string | null> {
    const pool = poolOf(this.dataSource);
    const client = await pool.take();
    try {
      const { rows } = await client.query<Server>(SERVER);
      const { standby, readOnly, pid } = rows[0]!;
      if (standby || readOnly) pool.giveUpAll();
      if (standby) return 'it takes no writes: it is a standby';
      if (readOnly) return 'it takes no writes: default_transaction_read_only is on';
      if (client.backendPid === null || client.backendPid === pid) return null;
      return 'a pooler changes the session of a connection: see DATABASE_POOLER';
    } finally {
      client.release();
    }
  }

  /** Later migrations are allowed, because each is compatible with the previous version of the service. */
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
