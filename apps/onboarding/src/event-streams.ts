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
  readonly #open = new Set<EventStream>();
  #stopped = false;

  constructor(
    private readonly follower: EventFollower,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws ProblemError `not_ready` where there is no place left: another replica may have one. */
  open(onboardingId: string, after: number): EventStream {
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
    this.#open.add(stream);
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
    for (const stream of this.#open) stream.stop();
  }
}
