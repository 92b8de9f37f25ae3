import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROVIDERS, type ProviderKind } from '#libs/upstream';
import { hasOnboarding } from '../../../tools/own-database.js';
import { walkOnboarding, type WalkOptions } from '../../../tools/walk-onboarding.js';
import { API_KEY, ORIGIN, RP_ID, Story } from '../../support/story.js';
import { throughDoor } from '../../support/turnkey-door.js';

let story: Story;
let said: string[];

function walk(integration: ProviderKind, isOurs: NonNullable<WalkOptions['isOurs']>) {
  said = [];
  return walkOnboarding({
    serviceUrl: story.serviceUrl,
    sandboxUrl: story.sandbox.url,
    apiKey: API_KEY,
    integration,
    rpId: RP_ID,
    origin: ORIGIN,
    print: (line) => said.push(line),
    isOurs,
  });
}

describe.each(PROVIDERS)('the self check of npm start with the provider $kind', ({ kind }) => {
  beforeAll(async () => {
    story = await Story.begin(kind === 'byzantine' ? {} : { env: throughDoor(kind) });
  });
  afterAll(() => story.end());

  it('completes if the service writes to the database of this folder', async () => {
    const { onboardingId } = await walk(kind, (id) => hasOnboarding(story.databaseUrl, id));
    expect((await story.get(onboardingId)).body).toMatchObject({ state: 'completed', provider: kind });
    expect(said.at(-1)).toContain('secrets_wiped');
  });

  it('stops after the first answer if the service belongs to another folder', async () => {
    const refused = walk(kind, async () => hasOnboarding(story.databaseUrl, randomUUID()));
    await expect(refused).rejects.toThrow(`${story.serviceUrl} is not the service of this folder`);
    expect(said).toEqual([]);
  });
});
