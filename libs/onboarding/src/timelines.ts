import { timingSafeEqual } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { KeyedHash } from '#libs/platform';
import { notFound } from './ownership.js';
import { isEnded, type State } from './machine.js';
import { prepared } from './statement.js';
import { anchoredContent, faultIn, type StoredTimeline, type TimelineFault } from './timeline-check.js';

const BATCH = 100;
const FIRST = '00000000-0000-0000-0000-000000000000';

/** In one statement, so that row and events are of one moment. */
const timelines = (where: string) => `
  SELECT o.id, o.state, o.last_seq AS "lastSeq", o.erased_at IS NOT NULL AS erased, o.anchor,
    o.anchored_seq AS "anchoredSeq", coalesce((
      SELECT json_agg(json_build_object('seq', e.seq, 'type', e.type,
        'atUs', (extract(epoch FROM e.at) * 1000000)::bigint::text, 'actor', e.actor, 'data', e.data::text,
        'hash', encode(e.hash, 'hex'), 'salt', e.salt, 'dataHash', encode(e.data_hash, 'hex')) ORDER BY e.seq)
      FROM onboarding_events e WHERE e.onboarding_id = o.id), '[]') AS events
  FROM onboardings o WHERE ${where}`;

const ONE = timelines('o.id = $1');
const PAGE = timelines('o.id > $1::uuid ORDER BY o.id LIMIT $2');
const UNANCHORED = timelines(`
  o.state IN ('completed', 'failed', 'expired', 'cancelled') AND o.anchored_seq IS DISTINCT FROM o.last_seq
    AND o.id > $1::uuid ORDER BY o.id LIMIT $2`);

/** What was looked at may have gone on meanwhile: then it waits for the next run. */
const ANCHOR = `
  UPDATE onboardings o SET anchor = v.anchor, anchored_seq = v.seq
  FROM unnest($1::uuid[], $2::int[], $3::bytea[]) AS v (id, seq, anchor)
  WHERE o.id = v.id AND o.last_seq = v.seq RETURNING v.anchor IS NOT NULL AS chained`;

/** What the look at one timeline found. */
export interface TimelineReport {
  onboardingId: string;
  events: number;
  /** How many have no hash, at its beginning: written by the version before, or by somebody else. */
  unchained: number;
  /** How far a keyed hash vouches for it; null while it is live, until soon after its end, and without any chain. */
  anchoredSeq: number | null;
  /** Null where it is as it was written. */
  fault: TimelineFault | null;
}

/** Tells whether timelines are what was written, and vouches for those that have ended. */
@Injectable()
export class Timelines {
  readonly #logger = new Logger(Timelines.name);

  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
  ) {}

  /** @throws ProblemError `not_found` */
  async verifyTimeline(id: string): Promise<TimelineReport> {
    const [timeline] = await this.statements.run<StoredTimeline>(prepared(ONE), [id]);
    if (!timeline) throw notFound(id);
    return this.#report(timeline);
  }

  /**
   * A page of all onboardings, oldest first.
   *
   * @param after the id of the last one seen.
   * @returns a report of each, and from where to go on; null after the last page.
   */
  async verifyTimelines(
    after: string | null,
    limit: number,
  ): Promise<{ reports: TimelineReport[]; next: string | null }> {
    const page = await this.statements.run<StoredTimeline>(prepared(PAGE), [after ?? FIRST, limit]);
    return {
      reports: page.map((timeline) => this.#report(timeline)),
      next: page.length < limit ? null : page.at(-1)!.id,
    };
  }

  /**
   * Whoever can write to the database can compute plain hashes anew, but not these: they hang on `HASH_KEY`. A timeline
   * that is broken already gets none, nor one without a chain. Whoever takes anchor and hashes away gets a new anchor for
   * a forgery: so what is vouched for is a line in the log first, with its last hash. A second line that has another
   * hash for the same number tells.
   */
  async anchor(): Promise<{ anchored: number; unchained: number; broken: number }> {
    const counts = { anchored: 0, unchained: 0, broken: 0 };
    for (let after = FIRST; ;) {
      const page = await this.statements.run<StoredTimeline>(prepared(UNANCHORED), [after, BATCH]);
      const whole = page.filter((timeline) => this.#isWhole(timeline));
      const chained = whole.filter(isChained);
      if (chained.length > 0) {
        const anchored = chained.map(({ id, lastSeq, events }) => ({
          id,
          seq: lastSeq,
          hash: events.at(-1)?.hash,
        }));
        this.#logger.log({ anchored }, 'timelines are vouched for');
      }
      const written = await this.statements.run<{ chained: boolean }>(prepared(ANCHOR), [
        whole.map(({ id }) => id),
        whole.map(({ lastSeq }) => lastSeq),
        // One without a chain is passed over by the next run: its number says that it was looked at.
        whole.map((timeline) => (isChained(timeline) ? this.#anchorOf(timeline, timeline.lastSeq) : null)),
      ]);
      const anchored = written.filter((each) => each.chained).length;
      counts.anchored += anchored;
      counts.unchained += written.length - anchored;
      counts.broken += page.length - whole.length;
      if (page.length < BATCH) return counts;
      after = page.at(-1)!.id;
    }
  }

  #isWhole(timeline: StoredTimeline): boolean {
    const { fault } = this.#report(timeline);
    if (fault) this.#logger.error(`the timeline of ${timeline.id} is broken at ${fault.seq}: ${fault.fault}`);
    return fault === null;
  }

  #report(timeline: StoredTimeline): TimelineReport {
    const { id, events, anchor } = timeline;
    const fault = faultIn(timeline) ?? this.#anchorFault(timeline);
    const unchained = events.filter(({ hash }) => hash === null).length;
    const anchoredSeq = anchor === null ? null : timeline.anchoredSeq;
    return { onboardingId: id, events: events.length, unchained, anchoredSeq, fault };
  }

  #anchorFault(timeline: StoredTimeline): TimelineFault | null {
    const { anchor, anchoredSeq, state } = timeline;
    const seq = anchoredSeq ?? 0;
    // Passed over for want of a chain: not vouched for, and no fault that can be told from here.
    const passedOver = timeline.events.slice(0, seq).every(({ hash }) => hash === null);
    if (anchor === null && (anchoredSeq === null || passedOver)) return null;
    const expected = this.#anchorOf(timeline, seq);
    // Only what has ended is anchored, and nothing leaves its end.
    const holds =
      isEnded(state as State) && anchor?.length === expected.length && timingSafeEqual(anchor, expected);
    return holds ? null : { seq, fault: 'anchor' };
  }

  #anchorOf(timeline: StoredTimeline, seq: number): Buffer {
    return this.hash.of('timeline anchor', anchoredContent(timeline, seq));
  }
}

/** Whether there is a hash to vouch for: none was made for what the version before wrote. */
const isChained = ({ events }: StoredTimeline) => typeof events.at(-1)?.hash === 'string';
