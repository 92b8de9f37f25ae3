import { Injectable } from '@nestjs/common';
import { erase } from '../flow/erase.js';
import type { Row } from '../flow/row.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Timelines } from '../upkeep/timelines.js';

/**
 * Erases the personal data of an onboarding. A tombstone stays: a row and a timeline without personal data. A
 * timeline that fits its anchor (see `Timelines`) gets a new anchor over the events without their data.
 */
@Injectable()
export class Erasure {
  constructor(
    private readonly store: OnboardingStore,
    private readonly timelines: Timelines,
  ) {}

  /** @returns null if the row has changed since it was read. In this case, nothing is written. */
  async erase(row: Row, actor: 'caller' | 'service'): Promise<Row | null> {
    const anchor = row.anchoredSeq === null ? null : await this.timelines.anchorOfErased(row.id);
    return this.store.erase(row, erase(row, actor), anchor);
  }
}
