import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import { EventFollower } from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';
import { EventStream } from './event-stream.js';

/** When a place may be free again: streams end at any time. */
const RETRY_AFTER_S = 5;

/** The open streams of this process: so many and no more, and none once it stops. */
@Injectable()
export class EventStreams implements OnModuleDestroy {
  /** With the name of whose each is. */
  readonly #open = new Map<EventStream, string>();
  #stopped = false;

  constructor(
    private readonly follower: EventFollower,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * @param caller its name.
   * @throws ProblemError `not_ready` where there is no place left: another replica may have one. `rate_limited` where the caller has its
   *   share of them: one whose pages come in crowds must leave places to the others.
   */
  open(onboardingId: string, after: number, caller: string): EventStream {
    const own = [...this.#open.values()].filter((name) => name === caller).length;
    if (own >= this.config.EVENTS_STREAMS_PER_CALLER) {
      throw new ProblemError('rate_limited', {
        detail: 'This caller has too many event streams open.',
        retryAfterS: RETRY_AFTER_S,
      });
    }
    if (this.#open.size >= this.config.EVENTS_STREAMS) {
      throw new ProblemError('not_ready', {
        detail: 'Too many event streams are open here.',
        retryAfterS: RETRY_AFTER_S,
      });
    }
    const stream = new EventStream({
      heartbeatMs: this.config.EVENTS_HEARTBEAT_MS,
      lifeMs: this.config.EVENTS_STREAM_LIFE_MS,
    });
    this.#open.set(stream, caller);
    const leave = this.follower.follow(onboardingId, after, stream);
    stream.once('close', () => {
      leave();
      this.#open.delete(stream);
    });
    if (this.#stopped) stream.stop();
    return stream;
  }

  /**
   * The notice of the stop has been given by now: whoever connects again is led to another replica. The server would wait
   * for streams before it closes.
   */
  onModuleDestroy(): void {
    this.#stopped = true;
    for (const stream of this.#open.keys()) stream.stop();
  }
}
