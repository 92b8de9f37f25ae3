import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { inBatchesWithRests } from '#libs/kernel';
import { KeyedHash, Log } from '#libs/platform';
import { notFound } from '../flow/refusal.js';
import { PUSH_BACK } from '../store/statements/expire.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import { ANCHOR, EVENTS_AFTER, TIMELINE, TIMELINES, UNANCHORED } from '../store/statements/timelines.js';
import { blanked, digestOf, faultIn, type StoredTimeline, type TimelineFault } from './timeline-digest.js';

const BATCH = 100;
const FIRST = '00000000-0000-0000-0000-000000000000';
const BROKEN_AGAIN_MS = 3_600_000;

export interface TimelineReport {
  onboardingId: string;
  events: number;
  /**
   * The last event that the stored hash covers. Null if there is no hash: live and newly ended onboardings.
   */
  anchoredSeq: number | null;
  fault: TimelineFault | null;
}

/** An anchor is a stored keyed hash of the timeline of an ended onboarding. */
@Injectable()
export class Timelines {
  readonly #logger = new Log('Timelines');

  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
  ) {}

  events(id: string, limit: number): Promise<OnboardingEvent[]> {
    const values = EVENTS_AFTER.bind({ id, after: 0, limit });
    return this.statements.run<OnboardingEvent>(EVENTS_AFTER, values);
  }

  /** @throws ProblemError `not_found` */
  async verifyTimeline(id: string): Promise<TimelineReport> {
    const timeline = await this.#find(id);
    if (!timeline) throw notFound(id);
    return this.#report(timeline);
  }

  /**
   * Checks a page of all timelines, oldest first.
   *
   * @param after the last id of the previous page.
   * @returns `next`: the `after` of the next page; null after the last page.
   */
  async verifyTimelines(
    after: string | null,
    limit: number,
  ): Promise<{ reports: TimelineReport[]; next: string | null }> {
    const values = TIMELINES.bind({ after: after ?? FIRST, limit });
    const page = await this.statements.run<StoredTimeline>(TIMELINES, values);
    return {
      reports: page.map((timeline) => this.#report(timeline)),
      next: page.length < limit ? null : page.at(-1)!.id,
    };
  }

  /**
   * Writes an anchor for each timeline of an ended onboarding, unless the last anchor covers all events. A
   * timeline that does not fit its last anchor gets no new one.
   *
   * Each hash is logged before it is written. If an attacker forges a timeline and deletes its anchor to get
   * a new one, the log has two hashes for one event number.
   */
  async anchor(stop?: AbortSignal): Promise<{ anchored: number; broken: number }> {
    const counts = { anchored: 0, broken: 0 };
    await inBatchesWithRests(
      BATCH,
      async (limit) => {
        const page = await this.statements.run<StoredTimeline>(UNANCHORED, UNANCHORED.bind({ limit }));
        const broken = page.filter((timeline) => !this.#isWhole(timeline));
        const whole = page.filter((timeline) => !broken.includes(timeline));
        counts.anchored += await this.#keep(whole);
        counts.broken += broken.length;
        if (broken.length > 0) {
          const values = PUSH_BACK.bind({ ids: broken.map(({ id }) => id), waitMs: BROKEN_AGAIN_MS });
          await this.statements.run(PUSH_BACK, values);
        }
        return page.length;
      },
      stop,
    );
    return counts;
  }

  /**
   * @returns the hash to store after an erasure, over the same events without data; null if no hash is
   *   stored. A broken timeline keeps its hash, so that it stays broken.
   */
  async anchorOfErased(id: string): Promise<Buffer | null> {
    const timeline = await this.#find(id);
    if (!timeline || timeline.anchoredSeq === null) return null;
    return faultIn(timeline, this.hash)
      ? timeline.anchor
      : digestOf(blanked(timeline), timeline.anchoredSeq, this.hash);
  }

  async #find(id: string): Promise<StoredTimeline | null> {
    const [timeline] = await this.statements.run<StoredTimeline>(TIMELINE, TIMELINE.bind({ id }));
    return timeline ?? null;
  }

  async #keep(timelines: StoredTimeline[]): Promise<number> {
    if (timelines.length === 0) return 0;
    const anchors = timelines.map((timeline) => digestOf(timeline, timeline.lastSeq, this.hash));
    const anchored = timelines.map(({ id, lastSeq }, index) => ({
      id,
      seq: lastSeq,
      digest: anchors[index]!.toString('hex'),
    }));
    this.#logger.info({ anchored }, 'timelines are anchored');
    const ids = timelines.map(({ id }) => id);
    const seqs = timelines.map(({ lastSeq }) => lastSeq);
    return (await this.statements.run(ANCHOR, ANCHOR.bind({ ids, seqs, anchors }))).length;
  }

  #isWhole(timeline: StoredTimeline): boolean {
    const fault = faultIn(timeline, this.hash);
    if (fault) {
      const text = `a timeline is broken at ${fault.seq}: ${fault.fault}`;
      this.#logger.error({ onboardingId: timeline.id }, text);
    }
    return fault === null;
  }

  #report(timeline: StoredTimeline): TimelineReport {
    const { id, events, anchor, anchoredSeq } = timeline;
    return {
      onboardingId: id,
      events: events.length,
      anchoredSeq: anchor === null ? null : anchoredSeq,
      fault: faultIn(timeline, this.hash),
    };
  }
}
