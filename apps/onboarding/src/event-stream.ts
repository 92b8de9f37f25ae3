import { Readable } from 'node:stream';
import type { OnboardingEvent, TimelineReader } from '#libs/onboarding';
import { toEventResource } from './onboarding.dto.js';

/** What a client waits before it connects again (HTML Living Standard §9.2.5, `retry`). */
const RECONNECT_MS = 1_000;

/**
 * A timeline as server-sent events (HTML Living Standard §9.2). No event has a type of its own: `onmessage` gets those
 * of later versions, too.
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
    // Its life may end while they are read: whoever comes back is given them.
    if (this.#ending) return;
    this.push(
      events.map((event) => `id: ${event.seq}\ndata: ${JSON.stringify(toEventResource(event))}\n\n`).join(''),
    );
  }

  /** What was taken still goes out. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.push(null);
  }

  /** Now, whatever its reader does: a process that stops waits for nobody who does not read. */
  stop(): void {
    if (this.#isHeldUp) this.destroy();
    else this.end();
  }

  override _read(): void {
    // Events come when they happen, and not when they are asked for.
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#beat);
    clearTimeout(this.#life);
    done(error);
  }

  /** The connection takes no more for now. */
  get #isHeldUp(): boolean {
    return this.readableFlowing === false;
  }

  /** Proxies cut what is silent. Who has taken nothing since the last beat is cut here: its stream is resumed by whoever still reads. */
  #heartbeat(): void {
    if (this.#isHeldUp) {
      if (this.#stuck) this.destroy();
      this.#stuck = true;
    } else if (!this.#ending) {
      this.push(':\n\n');
    }
  }
}
