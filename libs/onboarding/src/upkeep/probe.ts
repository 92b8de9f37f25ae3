import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, Log, type Config } from '#libs/platform';
import { Integrations, UpstreamError } from '#libs/upstream';
import { unpark } from '../flow/move.js';
import { UnknownRefusals } from '../integrations/unknown-refusals.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { PARKED, PARKED_INTEGRATIONS } from '../store/statements/parked.js';
import { Pauses } from './pauses.js';
import { Trials } from './trials.js';

const BATCH = 500;
const TRIAL_ROWS = 3;
const DOUBLINGS = 4;

/** `unproven`: the answer does not show whether our key works, e.g. a 404 for the path of the probe. */
type Outcome = 'works' | 'refused' | 'unproven';

/** Probes each integration with parked rows, and releases the rows if the integration works again. */
@Injectable()
export class Probe {
  readonly #logger = new Log('Probe');

  constructor(
    private readonly store: OnboardingStore,
    private readonly integrations: Integrations,
    private readonly trials: Trials,
    private readonly pauses: Pauses,
    private readonly refusals: UnknownRefusals,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The sweeper wakes the released rows. */
  async run(): Promise<{ unparked: number; unhealthy: string[] }> {
    const unhealthy: string[] = [];
    let unparked = await this.pauses.releaseLate();
    const parked = await this.store.run<{ integration: string }>(PARKED_INTEGRATIONS, {});
    for (const { integration } of parked) {
      const outcome = await this.#ask(integration);
      if (outcome === 'works') await this.trials.forget(integration);
      if (outcome === 'works') unparked += (await this.#unpark(integration)).length;
      else unhealthy.push(integration);
      if (outcome === 'unproven') unparked += await this.#try(integration);
    }
    await this.trials.forgetAllBut(parked.map(({ integration }) => integration));
    return { unparked, unhealthy };
  }

  async #ask(name: string): Promise<Outcome> {
    const integration = this.integrations.find(name);
    if (!integration) return 'refused';
    try {
      await integration.provider.probe({
        timeoutMs: this.config.CALL_TIMEOUT_MS,
        beforeSend: () => undefined,
      });
      return 'works';
    } catch (error) {
      const { message } = error as Error;
      const upstreamStatus = error instanceof UpstreamError ? error.evidence.status : null;
      if (error instanceof UpstreamError) {
        this.refusals.note({ integration: name, step: 'probe', onboardingId: null }, error);
      }
      const about = { integration: name, step: 'probe', upstreamStatus };
      if (error instanceof UpstreamError && error.failure !== 'misconfigured') {
        this.#logger.warn(
          about,
          `the probe of integration ${name} has no clear result, ` +
            `a few parked onboardings are tried instead: ${message}`,
        );
        return 'unproven';
      }
      this.#logger.error(about, `integration ${name} is still refused: ${message}`);
      return 'refused';
    }
  }

  /** Releases all rows if a row of an earlier trial has had a successful call, otherwise a few. */
  async #try(integration: string): Promise<number> {
    if (await this.trials.succeeded(integration)) {
      await this.trials.forget(integration);
      return (await this.#unpark(integration)).length;
    }
    if (!(await this.trials.begin(integration))) return 0;
    const ids = await this.#unpark(integration, TRIAL_ROWS);
    await this.trials.released(integration, ids);
    return ids.length;
  }

  async #unpark(integration: string, limit = Infinity): Promise<string[]> {
    const unparked: string[] = [];
    const size = Math.min(BATCH, limit);
    for (;;) {
      const everyMs = this.config.PROBE_EVERY_MS;
      const rows = await this.store.rows(PARKED, { integration, everyMs, doublings: DOUBLINGS, limit: size });
      const before = unparked.length;
      for (const row of rows) {
        if (await this.store.command(row, unpark(row.now))) unparked.push(row.id);
      }
      // A row that cannot be written would be found again.
      const isStuck = unparked.length === before;
      if (rows.length < size || unparked.length >= limit || isStuck) return unparked;
    }
  }
}
