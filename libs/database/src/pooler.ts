import { Client } from 'pg';
import type { Pooler } from './session-settings.js';

const ANSWER_MS = 3_000;
/** A busy pooler hardly ever keeps a client's server connection for so many statements. */
const LOOKS = 10;

/** How connections reach PostgreSQL: directly, or through a pooler in this mode. */
type Way = 'direct' | 'session' | 'transaction' | 'statement';

export interface ConnectionFault {
  variable: string;
  detail: string;
}

/** Finds a wrong `DATABASE_POOLER`, and settings of the role or the database that Gangway cannot override. */
export async function findPoolerFault(url: string, pooler: Pooler): Promise<ConnectionFault | null> {
  return connected(url, async (client) => {
    const session = await sessionOf(client);
    const way = await wayOf(client, session.pid, url);
    const fits = pooler === 'transaction' ? way === 'transaction' : way === 'direct' || way === 'session';
    if (!fits) return { variable: 'DATABASE_POOLER', detail: MISMATCH[way] };
    if (session.triggers !== 'origin') {
      const setting = `session_replication_role to ${session.triggers}`;
      const detail = `names a role or a database whose default sets ${setting}: triggers would not fire`;
      return { variable: 'DATABASE_URL', detail };
    }
    if (pooler === 'transaction' && session.isolation !== 'read committed') {
      const setting = `default_transaction_isolation to ${session.isolation}`;
      const detail = `names a role or a database whose default sets ${setting}: use read committed`;
      return { variable: 'DATABASE_URL', detail };
    }
    return null;
  });
}

/** Whether each connection keeps its session, which the lock of migrations needs. */
export async function hasSessions(url: string): Promise<boolean> {
  const way = await connected(url, async (client) => wayOf(client, (await sessionOf(client)).pid, url));
  return way === 'direct' || way === 'session';
}

const MISMATCH: Readonly<Record<Way, string>> = {
  direct: 'is transaction, and connections go to PostgreSQL without a pooler: use none',
  session: 'is transaction, and the pooler is in session mode: use none',
  transaction: 'is none, and connections go through a pooler in transaction mode: use transaction',
  statement: 'does not allow a pooler in statement mode: set the pooler to transaction mode',
};

interface Session {
  pid: number;
  triggers: string;
  isolation: string;
}

async function sessionOf(client: Client): Promise<Session> {
  const { rows } = await client.query<Session>(`SELECT pg_backend_pid() AS pid,
    current_setting('session_replication_role') AS triggers,
    current_setting('default_transaction_isolation') AS isolation`);
  return rows[0]!;
}

const pidOf = async (client: Client) => (await sessionOf(client)).pid;

/**
 * On a direct connection, the client's cancel key names the process that serves it. Behind a pooler in
 * transaction mode, a client's process changes, or two clients share one.
 */
async function wayOf(first: Client, pid: number, url: string): Promise<Way> {
  if ((first as unknown as { processID: number }).processID === pid) return 'direct';
  return connected(url, async (second) => {
    const begun = await begin(second);
    if (begun === 'refused') return 'statement';
    if (begun === pid || (await changes(first, pid))) return 'transaction';
    // The first client keeps the pooler's only server connection.
    if (begun === 'waits') return 'session';
    await second.query('COMMIT');
    return (await changes(first, pid)) ? 'transaction' : 'session';
  });
}

async function begin(client: Client): Promise<number | 'refused' | 'waits'> {
  try {
    await client.query('BEGIN');
    return await pidOf(client);
  } catch (error) {
    const { message } = error as Error;
    if (/statement pooling/i.test(message)) return 'refused';
    if (/query read timeout/i.test(message)) return 'waits';
    throw error;
  }
}

async function changes(client: Client, pid: number): Promise<boolean> {
  for (let looks = 0; looks < LOOKS; looks++) if ((await pidOf(client)) !== pid) return true;
  return false;
}

async function connected<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'gangway',
    connectionTimeoutMillis: ANSWER_MS,
    query_timeout: ANSWER_MS,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
