import type { Finding } from '#libs/platform';
import type { Count, Pause, Trouble, View } from './integration-reports.js';

/** Fewer failures of a step in a row are no outage, because a working provider also fails sometimes. */
const FAILURES_IN_A_ROW = 3;

/** All known facts about one integration. Times are in milliseconds since the epoch. */
export interface Known {
  views: readonly View[];
  troubles: readonly Trouble[];
  counts: readonly Count[];
  pause: Pause | null;
  now: number;
}

/** Times are RFC 3339. Unknown facts have no member. */
export interface IntegrationFinding extends Finding {
  /** Without the operator and the reason, because this check is public. */
  paused?: { since: string };
  /** Breakers that are not closed. */
  breakers?: { process: string; state: string; since: string }[];
  /** The provider refuses our key, its scope or our clock. `status`: the HTTP status of the last refusal. */
  refused?: { since: string; status?: number };
  unsigned?: string[];
  /** The largest difference from the provider's clock, if it is too large. */
  clockSkewSeconds?: number;
  /** Calls that have failed since they last succeeded. */
  failing?: { call: string; failures: number; since: string }[];
  lastError?: { call: string; class: string; status?: number; at: string };
  parked?: { count: number; since: string; reasons: Record<string, number> };
  outcomeUnknown?: { count: number; since: string };
}

/** One fact: a text for people, and members for programs. */
type Part = { text?: string; facts?: Partial<IntegrationFinding> } | null;

/**
 * Unknown outcomes are no fault: they may wait a day for a decision, while the provider works again.
 *
 * @param skewWarnMs a difference between clocks that counts as a fault.
 */
export function findingOf(known: Known, skewWarnMs: number): IntegrationFinding {
  const views = known.views.toSorted(by(({ process }) => process));
  const bad = [
    paused(known.pause),
    breakers(views),
    refused(views, known.troubles),
    unsigned(views),
    clocks(views, skewWarnMs),
    failing(known),
    parked(known.counts),
  ].filter((part) => part !== null);
  const parts = [...bad, lastError(known), unknown(known.counts), keys(views)].filter(
    (part) => part !== null,
  );
  const texts = parts.flatMap(({ text }) => text ?? []);
  return Object.assign(
    {
      status: bad.length > 0 ? 'down' : 'up',
      ...(texts.length > 0 && { detail: texts.join('; ') }),
    } as const,
    ...parts.map(({ facts }) => facts),
  );
}

function paused(pause: Pause | null): Part {
  if (!pause) return null;
  const { since } = pause;
  return {
    text: `paused by an operator since ${shown(since)}`,
    facts: { paused: { since: instant(since) } },
  };
}

function breakers(views: readonly View[]): Part {
  const open = views.filter(({ breakerSince }) => breakerSince !== null);
  if (open.length === 0) return null;
  return {
    text: open
      .map(({ process, breaker, breakerSince }) => {
        return `the breaker is ${breaker} in ${process} since ${shown(breakerSince!)}`;
      })
      .join('; '),
    facts: {
      breakers: open.map(({ process, breaker, breakerSince }) => ({
        process,
        state: breaker,
        since: instant(breakerSince!),
      })),
    },
  };
}

function refused(views: readonly View[], troubles: readonly Trouble[]): Part {
  const trouble = troubles.find(({ what }) => what === 'access');
  const seen = views.filter(({ refusedSince }) => refusedSince !== null);
  if (!trouble && seen.length === 0) return null;
  const since = Math.min(...seen.map(({ refusedSince }) => refusedSince!), trouble?.since ?? Infinity);
  const status = trouble ? trouble.status : seen[0]!.refusedStatus;
  return {
    text: `${whyRefused(status)} since ${shown(since)}`,
    facts: { refused: { since: instant(since), ...(status !== null && { status }) } },
  };
}

function whyRefused(status: number | null): string {
  if (status === null) return 'our clock or our signer prevents requests';
  if (status >= 200 && status <= 299) return 'our key lacks a permission';
  return `our requests are refused with ${status}`;
}

function unsigned(views: readonly View[]): Part {
  const without = views.filter(({ signer }) => signer !== null);
  if (without.length === 0) return null;
  return {
    text: [...new Set(without.map(({ signer }) => signer))].join('; '),
    facts: { unsigned: without.map(({ process }) => process) },
  };
}

function clocks(views: readonly View[], warnMs: number): Part {
  const apart = views.filter(({ skewMs }) => skewMs >= warnMs);
  if (apart.length === 0) return null;
  const clockSkewSeconds = Math.round(Math.max(...apart.map(({ skewMs }) => skewMs)) / 1000);
  const where = apart.map(({ process }) => process).join(', ');
  return {
    text: `the clocks are ${clockSkewSeconds} s apart, as ${where} sees it`,
    facts: { clockSkewSeconds },
  };
}

/** A failure counts only for some time. After that, the state is unknown. */
const isCurrent = ({ goodUntil }: Trouble, now: number) => now < goodUntil;

function failing({ troubles, now }: Known): Part {
  const calls = troubles
    .filter(({ what, failures }) => what !== 'access' && (what === 'probe' || failures >= FAILURES_IN_A_ROW))
    .filter((trouble) => isCurrent(trouble, now))
    .toSorted(by(({ what }) => what));
  if (calls.length === 0) return null;
  return {
    text: calls
      .map(({ what, failures, since }) => `${what} fails since ${shown(since)}, ${failures} in a row`)
      .join('; '),
    facts: {
      failing: calls.map(({ what, failures, since }) => ({ call: what, failures, since: instant(since) })),
    },
  };
}

function lastError({ troubles, now }: Known): Part {
  const [last] = troubles
    .filter((trouble) => isCurrent(trouble, now))
    .toSorted((one, other) => other.lastAt - one.lastAt);
  if (!last) return null;
  const { what, failure, status, lastAt } = last;
  return {
    text: `last error: ${status === null ? failure : `${failure} (${status})`}`,
    facts: {
      lastError: {
        call: what === 'access' ? 'any' : what,
        class: failure,
        ...(status !== null && { status }),
        at: instant(lastAt),
      },
    },
  };
}

function parked(counts: readonly Count[]): Part {
  const rows = counts.filter(({ what }) => what === 'parked').toSorted(by(({ reason }) => reason!));
  if (rows.length === 0) return null;
  const { count, since } = sumOf(rows);
  const reasons: Record<string, number> = {};
  for (const row of rows) reasons[row.reason!] = (reasons[row.reason!] ?? 0) + row.count;
  return {
    text: `${count} parked since ${shown(since)} (${Object.keys(reasons).join(', ')})`,
    facts: { parked: { count, since: instant(since), reasons } },
  };
}

function unknown(counts: readonly Count[]): Part {
  const rows = counts.filter(({ what }) => what === 'outcome_unknown');
  if (rows.length === 0) return null;
  const { count, since } = sumOf(rows);
  return {
    text: `${count} with an unknown outcome, the oldest since ${shown(since)}`,
    facts: { outcomeUnknown: { count, since: instant(since) } },
  };
}

/** The processes may differ during a key change. */
function keys(views: readonly View[]): Part {
  const texts = views.flatMap(({ key, process }) =>
    key ? [{ process, text: `signs with key ${key.inUse} of ${key.count}, ${key.fingerprint}` }] : [],
  );
  const [first] = texts;
  if (!first) return null;
  if (texts.every(({ text }) => text === first.text)) return { text: first.text };
  return { text: texts.map(({ process, text }) => `${process} ${text}`).join('; ') };
}

const sumOf = (rows: readonly Count[]) => ({
  count: rows.reduce((sum, { count }) => sum + count, 0),
  since: Math.min(...rows.map(({ since }) => since)),
});

const instant = (ms: number) => new Date(ms).toISOString();
const shown = (ms: number) => instant(ms).replace(/\.\d+Z$/, 'Z');

function by<T>(key: (value: T) => string) {
  return (one: T, other: T) => (key(one) < key(other) ? -1 : 1);
}
