import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements, isDatabaseAway, prepared } from '#libs/database';
import { CONFIG, Log, errorOf, outsideRequests, type Config } from '#libs/platform';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import { ENDED_STATES } from '../flow/table.js';

export interface TimelineReader {
  /** If false, the events are read later, and use no memory until then. */
  readonly hasRoom: boolean;
  /** @param events the next events, in order and without gaps. */
  receive(events: OnboardingEvent[]): void;
  /** Called once the onboarding has ended and the reader has all events. */
  end(): void;
}

interface Follow {
  onboardingId: string;
  reader: TimelineReader;
  /** The number of the reader's last event. */
  after: number;
  asked: boolean;
}

/** The most events of one onboarding that a statement reads. */
const BATCH = 200;

/**
 * Events are numbered under the row's lock, which is held until commit. So a reader that sees an event also
 * sees all events before it.
 */
const NEWS = `
  SELECT f.id AS "onboardingId", o.last_seq AS "lastSeq",
    o.state IN (${ENDED_STATES.map((state) => `'${state}'`).join(', ')}) AS ended,
    e.seq, e.type, e.at, e.actor, e.data
  FROM unnest($1::uuid[], $2::int[]) AS f (id, after)
  JOIN onboardings o ON o.id = f.id
  LEFT JOIN LATERAL (
    SELECT * FROM onboarding_events e WHERE e.onboarding_id = f.id AND e.seq > f.after
    ORDER BY e.seq LIMIT ${BATCH}
  ) e ON o.last_seq > f.after
  WHERE o.last_seq > f.after OR o.state IN (${ENDED_STATES.map((state) => `'${state}'`).join(', ')})
  ORDER BY f.id, e.seq`;

type News = Omit<OnboardingEvent, 'seq'> & { lastSeq: number; ended: boolean; seq: number | null };

/**
 * One statement every `EVENTS_POLL_MS` reads the timelines for all readers in this process
 * (docs/decisions/0023).
 */
@Injectable()
export class EventFollower {
  readonly #logger = new Log('EventFollower');
  readonly #follows = new Set<Follow>();
  #timer: NodeJS.Timeout | null = null;
  #failing = false;

  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  get onboardings(): number {
    return new Set([...this.#follows].map(({ onboardingId }) => onboardingId)).size;
  }

  /**
   * Gives a reader the events after the number `after`: existing ones immediately, new ones as they come,
   * also after an outage of PostgreSQL.
   *
   * @returns a function that stops the reading.
   */
  follow(onboardingId: string, after: number, reader: TimelineReader): () => void {
    const follow: Follow = { onboardingId, reader, after, asked: false };
    this.#follows.add(follow);
    this.#timer ??= outsideRequests(() =>
      setInterval(() => void this.#ask(this.#follows), this.config.EVENTS_POLL_MS),
    );
    void this.#ask([follow]);
    return () => {
      this.#follows.delete(follow);
      if (this.#follows.size > 0 || !this.#timer) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  /** Two statements at once could give a reader the same event twice. */
  async #ask(follows: Iterable<Follow>): Promise<void> {
    const asking = [...follows].filter(({ asked, reader }) => !asked && reader.hasRoom);
    if (asking.length === 0) return;
    for (const follow of asking) follow.asked = true;
    let more: Follow[] = [];
    try {
      const news = await this.#newsOf(asking);
      more = asking.filter((follow) => this.#give(follow, news.get(follow.onboardingId) ?? []));
      this.#failing = false;
    } catch (error) {
      this.#tell(error);
    } finally {
      for (const follow of asking) follow.asked = false;
    }
    await this.#ask(more);
  }

  /** Reads each onboarding once, from the lowest event number that a reader needs. */
  async #newsOf(follows: Follow[]): Promise<Map<string, News[]>> {
    const from = new Map<string, number>();
    for (const { onboardingId, after } of follows) {
      from.set(onboardingId, Math.min(after, from.get(onboardingId) ?? after));
    }
    const values = [[...from.keys()], [...from.values()]];
    return Map.groupBy(
      await this.statements.run<News>(prepared(NEWS), values),
      ({ onboardingId }) => onboardingId,
    );
  }

  /** @returns whether more events can be read immediately. */
  #give(follow: Follow, news: News[]): boolean {
    const [about] = news;
    // The reader may have stopped during the statement.
    if (!about || !this.#follows.has(follow)) return false;
    const events = news.filter((each): each is News & OnboardingEvent => (each.seq ?? 0) > follow.after);
    const last = events.at(-1);
    if (last) {
      follow.reader.receive(events);
      follow.after = last.seq;
    }
    if (follow.after < about.lastSeq) return last !== undefined;
    if (about.ended) follow.reader.end();
    return false;
  }

  /** Logs only the first failure of an outage, because each poll tries again. */
  #tell(error: unknown): void {
    if (this.#failing) return;
    this.#failing = true;
    const away = isDatabaseAway(error);
    if (away) this.#logger.warn({}, `event streams wait for the database: ${(error as Error).message}`);
    else this.#logger.error({ err: errorOf(error) }, 'event streams cannot read their events');
  }
}
