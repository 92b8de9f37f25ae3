import { nextActionOf, type Row } from '#libs/onboarding';

/** The changes that a table prints: the row before and after, and the events. */
export interface Outcome {
  before: Row;
  after: Row;
  /** Notes on columns, such as a limit that PostgreSQL checks when it writes. */
  notes?: Partial<Record<keyof Row, string>>;
  events: { type: string; actor: string; data?: Record<string, unknown> }[];
  /** Changes in other tables, such as budgets and credentials. */
  limits: string[];
  /** The failure class of the attempt, or `ok`. The printed events do not repeat it. */
  class?: string;
  also?: (string | null)[];
}

type Member = keyof Row;
type Word = (value: never, outcome: Outcome) => string;

/** Columns that are printed as a difference, not as a value. */
const COUNTERS = [
  'version',
  'attempt',
  'parkings',
  'unavailableCount',
  'noAnswerCount',
  'otpSends',
  'otpTriesLeft',
  'otpWrong',
] as const;

const INSTANTS = [
  'leaseUntil',
  'nextAttemptAt',
  'parkedAt',
  'otpSentAt',
  'otpExpiresAt',
  'otpResendAt',
  'sessionExpiresAt',
  'sessionEndsAt',
  'idleEndsAt',
  'lifeEndsAt',
  'erasedAt',
] as const;

const SEALED = [
  'sealedOtpCode',
  'sealedGrant',
  'sealedAuthenticators',
  'sealedRequests',
  'sealedContact',
] as const;

/** The printed columns, in this order. The state has its own line. */
const WORDS: Partial<Record<Member, Word>> = {
  caller: plain,
  integration: plain,
  provider: plain,
  reason: plain,
  step: plain,
  submission: nth,
  ...all(COUNTERS, (value: number, { before }, member) => signed(value - (before[member] as number))),
  parkedReason: plain,
  ...all(INSTANTS, (value: Date | null, { before }) => (value ? offset(value, before.now) : 'none')),
  doubtAttempt: nth,
  unresolved: (open: Row['unresolved'], outcome) =>
    open
      .map(({ step, attempt, evidence }) => {
        if (attempt < outcome.before.submission) return 'older';
        const seen = evidence ? ` (status ${evidence.status ?? 'none'})` : '';
        return `${step} ${nth(attempt as never, outcome)}${seen}`;
      })
      .join(' + ') || 'none',
  otpHandle: plain,
  otpTargetBundle: plain,
  deviceSigning: (value: unknown) => (value ? 'set' : 'none'),
  fingerprint: (value: unknown) => (value ? 'set' : 'none'),
  subject: (value: object) => Object.keys(value).join(' + ') || 'blank',
  subjectKey: plain,
  externalRef: plain,
  metadata: (value: object) => Object.keys(value).join(' + ') || 'blank',
  otpChoice: (value: object) => Object.keys(value).join(' + ') || 'blank',
  ...all(SEALED, (value: Buffer | null) => (value ? 'sealed' : 'wiped')),
  sealedDataKey: (value: unknown) => (value ? 'kept' : 'destroyed'),
  pendingAuthenticators: (list: unknown[]) => String(list.length),
  authenticators: (list: Row['authenticators']) =>
    list.map(({ id, credentialId }) => `${credentialId} as ${id ?? 'unknown'}`).join(' + ') || 'none',
  lastResult: result,
  failure: result,
};

function rowWords(outcome: Outcome): string {
  const { before, after, notes = {} } = outcome;
  const words = (Object.entries(WORDS) as [Member, Word][])
    .filter(([member]) => notes[member] !== undefined || differ(before[member], after[member]))
    .map(([member, word]) => {
      const note = notes[member];
      return `${member} ${word(after[member] as never, outcome)}${note ? ` (${note})` : ''}`;
    });
  return words.join(', ') || 'unchanged';
}

export function outcomeWords(outcome: Outcome): string {
  const { after, events, limits, also = [] } = outcome;
  const head = [stateOf(after), nextActionOf(after).type, ...also.filter((each) => each)];
  return [
    head.join(', '),
    folded(`row: ${rowWords(outcome)}`),
    ...(events.length > 0 ? [`events: ${eventsWords(outcome)}`] : []),
    ...(limits.length > 0 ? [`limits: ${limits.join(', ')}`] : []),
  ].join('\n');
}

/** @returns the distance of `at` from `now`, for example `+250ms` or `-2s`. */
export function offset(at: Date, now: Date): string {
  const ms = at.getTime() - now.getTime();
  const size = Math.abs(ms);
  const sign = ms < 0 ? '-' : '+';
  return size % 1000 === 0 ? `${sign}${size / 1000}s` : `${sign}${size}ms`;
}

export interface Cell {
  at: Readonly<Record<string, string>>;
  text: string;
}

export const folded = (line: string) => line.replaceAll(/(.{70,106}(?:[,;]| \|)) (?=.{12})/g, '$1\n  ');

type Group = Record<string, Set<string>>;

/**
 * Combines cells of the same text. An entry has values for each dimension, and stands for all their
 * combinations.
 *
 * @param dimensions all values of each dimension; a dimension that makes no difference is not printed
 */
export function grouped(
  dimensions: Readonly<Record<string, readonly string[]>>,
  cells: Cell[],
  head: (group: Group) => string = (group) => headOf(group, dimensions),
): string {
  const names = Object.keys(dimensions);
  const texts = [...new Set(cells.map(({ text }) => text))];
  return texts
    .map((text) => {
      const groups = cells
        .filter((cell) => cell.text === text)
        .map(({ at }): Group => Object.fromEntries(names.map((name) => [name, new Set([at[name]!])])));
      const heads = merged(groups, names).map((group) => indented(folded(head(group)), 2));
      return `${heads.join('\n')}\n${indented(text, 4)}`;
    })
    .join('\n');
}

export const indented = (text: string, by: number) =>
  text
    .split('\n')
    .map((line) => ' '.repeat(by) + line)
    .join('\n');

function merged(groups: Group[], names: string[]): Group[] {
  let left = groups;
  for (let before = -1; before !== left.length;) {
    before = left.length;
    for (const name of names) left = mergedBy(name, left, names);
  }
  return left;
}

function mergedBy(name: string, groups: Group[], names: string[]): Group[] {
  const rest = names.filter((each) => each !== name);
  const byRest = new Map<string, Group>();
  for (const group of groups) {
    const key = rest.map((each) => [...group[each]!].sort().join('|')).join(' / ');
    const same = byRest.get(key);
    if (same) for (const value of group[name]!) same[name]!.add(value);
    else byRest.set(key, group);
  }
  return [...byRest.values()];
}

function headOf(group: Group, dimensions: Readonly<Record<string, readonly string[]>>): string {
  const parts = Object.entries(dimensions)
    .filter(([name, values]) => values.length > group[name]!.size)
    .map(([name, values]) => values.filter((value) => group[name]!.has(value)).join(' | '));
  return parts.length > 0 ? parts.join('; ') : 'always';
}

const stateOf = ({ state, step }: Row) =>
  state === 'outcome_unknown' ? `outcome_unknown after ${step}` : state;

const differ = (a: unknown, b: unknown) => JSON.stringify(a ?? null) !== JSON.stringify(b ?? null);

function plain(value: unknown): string {
  return value === null || value === undefined ? 'none' : String(value);
}

const signed = (by: number) => (by < 0 ? String(by) : `+${by}`);

function nth(number: number | null, { before }: Outcome): string {
  if (number === null) return 'none';
  const by = number - before.attempt;
  if (by === 0) return 'this';
  if (by === 1) return 'next';
  return 'earlier';
}

function result(value: Row['lastResult'] | Row['failure']): string {
  if (!value) return 'none';
  const errors = value.errors?.map(({ pointer, code }) => `${pointer} ${code}`) ?? [];
  const status = 'upstreamStatus' in value ? [`status ${value.upstreamStatus ?? 'none'}`] : [];
  const more = [...status, ...errors];
  return `${value.code} of ${value.step}${more.length > 0 ? ` (${more.join(', ')})` : ''}`;
}

/** @returns the events as text, with an event's actor only if it differs from the previous one. */
function eventsWords(outcome: Outcome): string {
  const { events } = outcome;
  return events
    .map((event, n) => {
      const words = eventWords(event, outcome);
      return event.actor === events[n - 1]?.actor ? words : `by ${event.actor} ${words}`;
    })
    .join('; ');
}

/** @returns an event's type and data, without free text and without members that every event has. */
function eventWords({ type, data = {} }: Outcome['events'][number], outcome: Outcome): string {
  const words = Object.entries(data)
    .filter(([name]) => !['step', 'durationMs', 'detail', 'headersSeen'].includes(name))
    .filter(([, value]) => value !== null)
    .filter(([name, value]) => name !== 'attempt' || value !== outcome.before.attempt)
    .filter(([name, value]) => name !== 'class' || value !== outcome.class)
    .map(([name, value]) => {
      if (name === 'attempt') return `attempt ${nth(value as number, outcome)}`;
      if (typeof value === 'string' && !Number.isNaN(Date.parse(value)) && /^\d{4}-/.test(value)) {
        return `${name} ${offset(new Date(value), outcome.before.now)}`;
      }
      return `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`;
    });
  return words.length > 0 ? `${type} (${words.join(', ')})` : type;
}

function all<Name extends Member, Value>(
  members: readonly Name[],
  word: (value: Value, outcome: Outcome, member: Name) => string,
): Partial<Record<Member, Word>> {
  const entries = members.map((member) => [
    member,
    (value: Value, outcome: Outcome) => word(value, outcome, member),
  ]);
  return Object.fromEntries(entries) as Partial<Record<Member, Word>>;
}
