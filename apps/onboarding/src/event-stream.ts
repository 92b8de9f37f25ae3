import { Readable } from 'node:stream';
import type { OnboardingEvent, TimelineReader } from '#libs/onboarding';
import { toEventResource } from './onboarding.dto.js';

/** How long a client waits before it reconnects (HTML Living Standard §9.2.5, `retry`). */
const RECONNECT_MS = 1_000;

/**
 * A timeline as server-sent events (HTML Living Standard §9.2). The events have no SSE type, so `onmessage`
 * also gets the kinds that later versions add.
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
    // The stream may end while events are being read. A client that reconnects gets them.
    if (this.#ending) return;
    this.push(
      events.map((event) => `id: ${event.seq}\ndata: ${JSON.stringify(toEventResource(event))}\n\n`).join(''),
    );
  }

  /** Ends the stream after the events that it has received. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.push(null);
  }

  /** Ends the stream at once if its client does not read: a stopping process cannot wait for it. */
  stop(): void {
    if (this.#isHeldUp) this.destroy();
    else this.end();
  }

  override _read(): void {
    // Events are pushed when they happen.
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#beat);
    clearTimeout(this.#life);
    done(error);
  }

  /** Whether the connection accepts no more data for now. */
  get #isHeldUp(): boolean {
    return this.readableFlowing === false;
  }

  /**
   * Keeps proxies from closing a silent connection. Closes a connection that has accepted nothing since the
   * last beat: a client that still reads reconnects and resumes.
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
