import type { Sealer } from '#libs/platform';
import { UpstreamError } from '#libs/upstream';
import type { OnboardingStore, Row } from './onboarding.store.js';

/**
 * What one submission keeps from try to try: request bodies and keys, each under a name, sealed on the row before
 * it is used. A new submission begins with nothing.
 */
export class KeptRequests {
  readonly #texts: Record<string, string>;

  constructor(
    private readonly row: Row,
    private readonly store: Pick<OnboardingStore, 'keep'>,
    private readonly sealer: Sealer,
  ) {
    this.#texts = row.sealedRequests
      ? (JSON.parse(sealer.open(this.#place(), row.sealedRequests)) as Record<string, string>)
      : {};
  }

  /** @throws UpstreamError `not_sent` where the attempt is no longer the row's: nothing may be sent for it. */
  async kept(name: string, make: () => string | Promise<string>): Promise<string> {
    const known = this.#texts[name];
    if (known !== undefined) return known;
    const made = await make();
    this.#texts[name] = made;
    const sealed = this.sealer.seal(this.#place(), JSON.stringify(this.#texts));
    if (await this.store.keep(this.row, sealed)) return made;
    throw new UpstreamError('not_sent', {
      detail: 'the attempt is no longer the onboarding’s',
      evidence: { bytesSent: false, headersSeen: false, status: null, durationMs: 0 },
    });
  }

  #place() {
    return { onboardingId: this.row.id, field: 'requests' };
  }
}
