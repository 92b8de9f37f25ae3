import { Injectable } from '@nestjs/common';
import { erase } from '../flow/erase.js';
import type { Row } from '../flow/row.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Timelines } from '../upkeep/timelines.js';

/**
 * The row and the timeline stay, without personal data. A hash (`anchor`) that did not match the timeline
 * stays too, so that the mismatch remains visible.
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
