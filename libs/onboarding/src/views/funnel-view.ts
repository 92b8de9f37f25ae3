import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { ProblemError, type FaultCode } from '#libs/kernel';
import type { ResultCode } from '../flow/codes.js';
import { addCounts, emptyCounts, medianOf, type FunnelCounts } from '../flow/funnel.js';
import type { EndedState } from '../flow/table.js';
import type { Statement } from '../store/statement.js';
import { FUNNEL_COUNTED, FUNNEL_READ } from '../store/statements/funnel.js';
import type { Funnel, FunnelFigures } from './types.js';

const DAY_MS = 86_400_000;
const MOST_DAYS = 400;

export interface FunnelQuery {
  integration?: string | undefined;
  /** The first day (UTC, `YYYY-MM-DD`). The range includes this day and the day `to`. */
  from: string;
  to: string;
}

type Counted = FunnelCounts & { day: string; integration: string };

@Injectable()
export class FunnelView {
  constructor(private readonly statements: PreparedStatements) {}

  /**
   * @throws ProblemError `validation_failed` if a day is invalid, `to` is before `from`, or the range is
   *   longer than 400 days.
   */
  async read({ integration, from, to }: FunnelQuery): Promise<Funnel> {
    const days = daysBetween(from, to);
    const [rows, counted] = await Promise.all([
      this.#run<Counted>(FUNNEL_READ, { from, to, integration: integration ?? null }),
      this.#run<{ day: string; countedAt: Date; isFinal: boolean }>(FUNNEL_COUNTED, { from, to }),
    ]);
    const final = new Map(counted.map(({ day, isFinal }) => [day, isFinal]));
    const latest = Math.max(...counted.map(({ countedAt }) => countedAt.getTime()));
    const byDay = new Map<string, Counted[]>();
    for (const row of rows) byDay.set(row.day, [...(byDay.get(row.day) ?? []), row]);
    const names = [...new Set(rows.map((row) => row.integration))].sort();
    return {
      from,
      to,
      integration: integration ?? null,
      countedAt: counted.length > 0 ? new Date(latest).toISOString() : null,
      total: figuresOf(rows),
      days: days.map((day) => ({
        day,
        isFinal: final.get(day) ?? false,
        ...figuresOf(byDay.get(day) ?? []),
      })),
      integrations: names.map((name) => ({
        integration: name,
        ...figuresOf(rows.filter((row) => row.integration === name)),
      })),
    };
  }

  #run<Row>(by: Statement, values: Record<string, unknown>): Promise<Row[]> {
    return this.statements.run<Row>(by, by.bind(values));
  }
}

function daysBetween(from: string, to: string): string[] {
  const [first, last] = [startOf(from, 'from'), startOf(to, 'to')];
  const count = (last - first) / DAY_MS + 1;
  if (count < 1) throw invalid('to', 'contradiction', 'is before "from"');
  if (count > MOST_DAYS) throw invalid('to', 'too_big', `is more than ${MOST_DAYS} days after "from"`);
  return Array.from({ length: count }, (_, n) => new Date(first + n * DAY_MS).toISOString().slice(0, 10));
}

function startOf(day: string, name: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : NaN;
  if (Number.isNaN(ms)) throw invalid(name, 'invalid_format', 'is not a day of the form YYYY-MM-DD');
  return ms;
}

const invalid = (name: string, code: FaultCode, detail: string) =>
  new ProblemError('validation_failed', {
    detail: `"${name}" ${detail}.`,
    errors: [{ pointer: `/${name}`, code, detail }],
  });

function figuresOf(rows: readonly FunnelCounts[]): FunnelFigures {
  const sum = emptyCounts();
  for (const row of rows) addCounts(sum, row);
  const { endings, times, ...stages } = sum;
  return {
    ...stages,
    endings: Object.entries(endings)
      .map(([ending, count]) => {
        const [state, code] = ending.split('/') as [EndedState, ResultCode | ''];
        return { state, code: code || null, count };
      })
      .sort((one, other) => other.count - one.count),
    medianMs: {
      startedToCodeSent: medianOf(times.startedToCodeSent),
      codeSentToVerified: medianOf(times.codeSentToVerified),
      verifiedToRegistered: medianOf(times.verifiedToRegistered),
      startedToRegistered: medianOf(times.startedToRegistered),
    },
  };
}
