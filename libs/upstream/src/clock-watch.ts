import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations, type Integration } from './integrations.js';

/** Short, so that steps continue soon after the clocks agree again. */
const LOOK_EVERY_MS = 5_000;

/**
 * Sends probes to a provider whose clock seems to differ, because one answer does not prove the difference.
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
      // Only the date of the answer matters, and a refusal has a date too.
    } finally {
      this.#asking.delete(name);
    }
  }
}
