import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations, type Integration } from './integrations.js';

/** At least so often, so that a step that was stopped for a clock is not stopped for long. */
const LOOK_EVERY_MS = 5_000;

/**
 * Asks a provider for its time while its clock stops the steps, or while one answer alone says that it should. No step
 * is sent to find out.
 */
@Injectable()
export class ClockWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #asking = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly integrations: Integrations,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    const everyMs = Math.min(LOOK_EVERY_MS, this.config.PROBE_EVERY_MS);
    this.#timer = setInterval(() => this.look(), everyMs).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  /** Asks each integration whose clock is in doubt. */
  look(): void {
    for (const each of this.integrations.all()) {
      if (each.skew.wantsAnswer && !this.#asking.has(each.name)) void this.#ask(each);
    }
  }

  async #ask({ name, provider }: Integration): Promise<void> {
    this.#asking.add(name);
    try {
      await provider.probe({ timeoutMs: this.config.CALL_TIMEOUT_MS, beforeSend: () => undefined });
    } catch {
      // The answer's date is all that is wanted, and a refusal has one too.
    } finally {
      this.#asking.delete(name);
    }
  }
}
