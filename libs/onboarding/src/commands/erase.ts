import { Injectable } from '@nestjs/common';
import { erase } from '../flow/erase.js';
import type { Row } from '../flow/row.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Timelines } from '../upkeep/timelines.js';

/** Leaves nothing personal of an onboarding: a tombstone, and a timeline without its data that is vouched for as before. */
@Injectable()
export class Erasure {
  constructor(
    private readonly store: OnboardingStore,
    private readonly timelines: Timelines,
  ) {}

  /**
   * @param by the caller, where it is not the onboarding's own.
   * @returns null where something has happened since the row was read: then nothing was written.
   */
  async erase(row: Row, actor: 'caller' | 'service', by?: string): Promise<Row | null> {
    const anchor = row.anchoredSeq === null ? null : await this.timelines.anchorOfErased(row.id);
    return this.store.erase(row, erase(row, actor, by), anchor);
  }
}
