import { expect, it } from '@jest/globals';
import { aClaim } from '#libs/testing';
import type { OnboardingStore } from '../store/onboarding.store.js';
import { LostClaims } from './lost-claims.js';
import type { Settlement } from './settle.js';

function aStore() {
  const searches: (() => void)[] = [];
  const store = {
    findClaimed: () => new Promise<null>((resolve) => searches.push(() => resolve(null))),
  } as unknown as OnboardingStore;
  return { store, searches };
}

it('a shutdown waits until `LostClaims` has ended all its searches, even new ones', async () => {
  const { store, searches } = aStore();
  const lost = new LostClaims(store, {} as Settlement);
  lost.settleLater('one', aClaim(), null);
  let ended = false;
  const drained = lost.beforeApplicationShutdown().then(() => (ended = true));

  lost.settleLater('another', aClaim(), null);
  searches[0]!();
  await new Promise(setImmediate);
  expect(ended).toBe(false);

  searches[1]!();
  await drained;
  expect(ended).toBe(true);
});
