import { Readable } from 'node:stream';
import type { OnboardingEvent, TimelineReader } from '#libs/onboarding';
import { toEventResource } from './onboarding.dto.js';

/** The client's wait before it reconnects (HTML Living Standard §9.2.5, `retry`). */
const RECONNECT_MS = 1_000;

/**
 * A timeline as server-sent events (HTML Living Standard §9.2). Without the field `event`, a client's
 * `onmessage` also receives event types that later versions add.
 */
export class EventStream extends Readable implements TimelineReader {
  readonly #beat: NodeJS.Timeout;
  readonly #life: NodeJS.Timeout;
  #ending = false;
  #stuck = false;

  constructor({ heartbeatMs, lifeMs }: { heartbeatMs: number; lifeMs: number }) {
    super();
    this.#beat = setInterval(() => this.#heartbeat(), heartbeatMs);
    this.#life = setTimeout(() => this.end(), lifeMs);
    this.on('resume', () => (this.#stuck = false));
    this.push(`retry: ${RECONNECT_MS}\n\n`);
  }

  get hasRoom(): boolean {
    return !this.#ending && !this.#isHeldUp;
  }

  receive(events: OnboardingEvent[]): void {
    // The stream may end during a read from the database. The client gets these events when it reconnects.
    if (this.#ending) return;
    this.push(
      events.map((event) => `id: ${event.seq}\ndata: ${JSON.stringify(toEventResource(event))}\n\n`).join(''),
    );
  }

  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.push(null);
  }

  /** Cuts the connection if the client does not read, because a stopping process cannot wait for it. */
  stop(): void {
    if (this.#isHeldUp) this.destroy();
    else this.end();
  }

  override _read(): void {
    // The service pushes events when they happen.
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#beat);
    clearTimeout(this.#life);
    done(error);
  }

  /** Whether the connection accepts no data for now. */
  get #isHeldUp(): boolean {
    return this.readableFlowing === false;
  }

  /**
   * Sends an SSE comment, so that proxies do not close a silent connection. Closes the connection if the
   * client has read nothing since the last heartbeat.
   */
  #heartbeat(): void {
    if (this.#isHeldUp) {
      if (this.#stuck) this.destroy();
      this.#stuck = true;
    } else if (!this.#ending) {
      this.push(':\n\n');
    }
  }
}
