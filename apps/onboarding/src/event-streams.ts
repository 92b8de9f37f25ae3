import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import { EventFollower } from '#libs/onboarding';
import { CONFIG, Metrics, type Config } from '#libs/platform';
import { EventStream } from './event-stream.js';

const RETRY_AFTER_S = 5;

/** The open event streams of this process, up to a limit. */
@Injectable()
export class EventStreams implements OnModuleDestroy {
  /** Each stream with its caller's name. */
  readonly #open = new Map<EventStream, string>();
  #stopped = false;

  constructor(
    private readonly follower: EventFollower,
    @Inject(CONFIG) private readonly config: Config,
    metrics: Metrics,
  ) {
    metrics.gauge('gangway_event_streams', () => this.#open.size);
    metrics.gauge('gangway_event_stream_onboardings', () => follower.onboardings);
  }

  /**
   * @throws ProblemError `not_ready` if this process has too many streams, because another replica may have
   *   fewer; `rate_limited` if this caller has too many.
   */
  open(onboardingId: string, after: number, caller: string): EventStream {
    const own = [...this.#open.values()].filter((name) => name === caller).length;
    if (own >= this.config.EVENTS_STREAMS_PER_CALLER) {
      throw new ProblemError('rate_limited', {
        detail: 'This caller has too many event streams open.',
        retryAfterS: RETRY_AFTER_S,
        limit: 'event_streams_of_caller',
      });
    }
    if (this.#open.size >= this.config.EVENTS_STREAMS) {
      throw new ProblemError('not_ready', {
        detail: 'This replica has too many open event streams.',
        retryAfterS: RETRY_AFTER_S,
        limit: 'event_streams',
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
   * The HTTP server waits for the streams before it closes. Clients reconnect to another replica, because the
   * load balancer already knows that this one stops.
   */
  onModuleDestroy(): void {
    this.#stopped = true;
    for (const stream of this.#open.keys()) stream.stop();
  }
}
