import type { Sealer } from '#libs/platform';
import { NOTHING_SENT, UpstreamError } from '#libs/upstream';
import type { Row } from '../flow/row.js';
import type { DataKeys } from '../store/data-keys.js';
import type { OnboardingStore } from '../store/onboarding.store.js';

/**
 * Named texts that all tries of a step share, e.g. request bodies and tokens. Each is sealed and stored in
 * the row before its first use.
 */
export class KeptRequests {
  #texts: Record<string, string> | undefined;

  constructor(
    private readonly row: Row,
    private readonly store: Pick<OnboardingStore, 'keepRequests'>,
    private readonly dataKeys: DataKeys,
  ) {}

  /** @throws UpstreamError `not_sent` if the onboarding has continued without this attempt. */
  async kept(name: string, make: () => string | Promise<string>): Promise<string> {
    const texts = (this.#texts ??= this.#open());
    const known = texts[name];
    if (known !== undefined) return known;
    const made = await make();
    texts[name] = made;
    const sealed = sealRequests(this.dataKeys.sealerOf(this.row), this.row.id, texts);
    if (await this.store.keepRequests(this.row, sealed)) return made;
    throw new UpstreamError('not_sent', {
      detail: 'the onboarding has continued without this attempt',
      evidence: NOTHING_SENT,
    });
  }

  #open(): Record<string, string> {
    const { id, sealedRequests } = this.row;
    if (sealedRequests === null) return {};
    return JSON.parse(this.dataKeys.sealerOf(this.row).open(placeOf(id), sealedRequests)) as Record<
      string,
      string
    >;
  }
}

const placeOf = (onboardingId: string) => ({ onboardingId, field: 'requests' });

export const sealRequests = (sealer: Sealer, onboardingId: string, texts: Readonly<Record<string, string>>) =>
  sealer.seal(placeOf(onboardingId), JSON.stringify(texts));
