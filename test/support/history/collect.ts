import { Client } from 'pg';
import type { SandboxControl } from '../../../apps/sandbox/src/control/sandbox-control.js';
import type { StepName } from '#libs/onboarding';
import type {
  CallerAnswer,
  Effect,
  FinalRow,
  History,
  Passkey,
  TimelineEntry,
  UpstreamCall,
} from './history.js';

type JournalEntry = ReturnType<SandboxControl['requests']>[number];

const STEP_OF_ROUTE: Record<string, StepName> = {
  'init-otp': 'init-otp',
  'otp-auth': 'verify-otp',
  'create-authenticators-otp': 'create-authenticators',
};

/** What the provider did in a run. */
interface Upstream {
  /** By onboarding. The header X-Request-Id names the attempt of a call, see crash-points.mjs. */
  calls: Map<string, UpstreamCall[]>;
  passkeys: Passkey[];
}

/**
 * Keeps the entries of the sandbox's journal, which itself drops old ones. The sandbox adds its answers to
 * these objects later.
 */
export class JournalKeeper {
  readonly #entries = new Map<number, JournalEntry>();
  readonly #sandbox: SandboxControl;
  readonly #timer: NodeJS.Timeout;

  constructor(sandbox: SandboxControl) {
    this.#sandbox = sandbox;
    this.#timer = setInterval(() => this.#keep(), 2_000);
  }

  /** Reads calls and passkeys at the same time, because a late call may still add a passkey. */
  close(): Upstream {
    clearInterval(this.#timer);
    this.#keep();
    const passkeys = this.#sandbox
      .authenticators()
      .map(({ userId, credentialId, authenticatorId }) => ({ userId, credentialId, authenticatorId }));
    return { calls: this.#calls(), passkeys };
  }

  #calls(): Map<string, UpstreamCall[]> {
    const calls = new Map<string, UpstreamCall[]>();
    for (const entry of this.#entries.values()) {
      const [id, attempt, sentAt] = (entry.headers.requestId ?? '').split('_');
      const step = STEP_OF_ROUTE[entry.route];
      if (!step || !id) continue;
      const call = {
        step,
        attempt: Number(attempt),
        sentAt: Number(sentAt),
        arrivedAt: Date.parse(entry.at),
        answeredAt: entry.answeredAt === null ? null : Date.parse(entry.answeredAt),
        answer: entry.answer,
        otpId: entry.otpId,
        effect: entry.effect as Effect | null,
      };
      calls.set(id, [...(calls.get(id) ?? []), call]);
    }
    return calls;
  }

  #keep(): void {
    for (const entry of this.#sandbox.requests()) this.#entries.set(entry.seq, entry);
  }
}

const ROWS = `
  SELECT id, subject ->> 'userId' AS "userId", external_ref AS "externalRef", state, step, version,
    last_seq AS "lastSeq", attempt, parked_reason AS "parkedReason", lease_until AS "leaseUntil",
    next_attempt_at AS "nextAttemptAt", due_at AS "dueAt", otp_handle AS "otpHandle", unresolved,
    authenticators,
    num_nonnulls(sealed_otp_code, sealed_grant, sealed_authenticators) > 0 AS "holdsSecrets"
  FROM onboardings WHERE id = ANY ($1) ORDER BY id`;
const EVENTS = `
  SELECT onboarding_id AS id, seq, type, at, actor, data
  FROM onboarding_events WHERE onboarding_id = ANY ($1) ORDER BY onboarding_id, seq`;

/** All onboardings of a run have an `external_ref` with the same prefix. */
const IDS = `SELECT id FROM onboardings WHERE starts_with(external_ref, $1)`;

export async function collect(
  databaseUrl: string,
  run: string,
  { calls, passkeys }: Upstream,
  answers: Map<string, CallerAnswer[]>,
): Promise<History> {
  return connected(databaseUrl, async (client) => {
    // Live onboardings still change, so read rows and events in one snapshot.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const ids = (await client.query<{ id: string }>(IDS, [run])).rows.map(({ id }) => id);
    const rows = await client.query<FinalRow & Record<string, unknown>>(ROWS, [ids]);
    const events = await client.query<TimelineEntry & { id: string }>(EVENTS, [ids]);
    const byId = Map.groupBy(events.rows, ({ id }) => id);
    const onboardings = rows.rows.map((row) => ({
      row: { ...row, ...inMs(row, 'leaseUntil', 'nextAttemptAt', 'dueAt') } as FinalRow,
      events: (byId.get(row.id) ?? []).map((event) => ({
        ...event,
        ...inMs(event, 'at'),
      })) as TimelineEntry[],
      calls: calls.get(row.id) ?? [],
      answers: answers.get(row.id) ?? [],
    }));
    return { onboardings, passkeys };
  });
}

const UNSETTLED = `
  SELECT count(*)::int AS count FROM onboardings
  WHERE starts_with(external_ref, $1) AND (
    state IN ('otp_requested', 'otp_submitted', 'authenticators_submitted') OR (
      state NOT IN ('completed', 'failed', 'expired', 'cancelled') AND due_at < clock_timestamp()))`;

/** @returns how many onboardings will still change by themselves: their step runs, or their expiry is due. */
export async function unsettled(databaseUrl: string, run: string): Promise<number> {
  return connected(databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(UNSETTLED, [run]);
    return rows[0]!.count;
  });
}

async function connected<T>(databaseUrl: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function inMs(row: object, ...names: string[]): Record<string, number | null> {
  const values = row as Record<string, Date | null>;
  return Object.fromEntries(names.map((name) => [name, values[name]?.getTime() ?? null]));
}
