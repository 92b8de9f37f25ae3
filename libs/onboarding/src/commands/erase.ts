import { Injectable } from '@nestjs/common';
import { erase } from '../flow/erase.js';
import type { Row } from '../flow/row.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Timelines } from '../upkeep/timelines.js';

/**
 * Erases the personal data of an onboarding, but keeps the row and the timeline. The hash of the timeline
 * (`anchor`) is replaced, unless it did not match the timeline: then it is kept, so that the mismatch stays
 * visible.
 */
@Injectable()
export class Erasure {
  constructor(
    private readonly store: OnboardingStore,
    private readonly timelines: Timelines,
  ) {}

  /** @returns null if the row has changed since it was read. Then nothing is written. */
  async erase(row: Row, actor: 'caller' | 'service'): Promise<Row | null> {
    const anchor = row.anchoredSeq === null ? null : await this.timelines.anchorOfErased(row.id);
    return this.store.erase(row, erase(row, actor), anchor);
  }
}
