import { createHash, createPublicKey, verify } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { describeInBrowser } from './browser.js';
import type { Assertion } from './demo-page.js';
import { DemoWorld } from './demo-world.js';

let world: DemoWorld;

describeInBrowser('that the demo takes a person from an e-mail to a passkey', () => {
  beforeAll(async () => {
    world = await DemoWorld.begin({ OTP_RESEND_COOLDOWN_MS: '3000' });
  });
  afterEach(async () => expect(await world.leave()).toEqual([]));
  afterAll(() => world?.end());

  it.each([
    ['byzantine', 'none'],
    ['attested', 'packed'],
  ] as const)(
    'by the straight way (%s: %s), with the very passkey that Chromium made',
    async (integration, format) => {
      const email = world.newEmail();
      const demo = await world.visit({ integration });
      const phone = await demo.plug();
      await demo.start(email);
      await demo.enter(world.code(email));
      await demo.at('Create your passkey');
      await demo.create('Ana’s phone');
      await demo.button('Finish').click();
      await demo.at('You are all set');
      expect(await demo.passkeys('Your passkeys')).toEqual(['Ana’s phone']);
      await demo.timeline('The provider has the passkey').waitFor();

      const [made] = await phone.passkeys();
      const [stored] = world.stored(email);
      expect(world.stored(email)).toMatchObject([
        {
          credentialId: made!.credentialId,
          publicKeySpki: made!.publicKeySpki,
          authenticatorName: 'Ana’s phone',
          userVerified: true,
          format,
        },
      ]);
      expect(await world.onboarding(email)).toMatchObject({ state: 'completed' });
      expect(world.creations(email)).toBe(1);
      const signIn = await demo.signIn(made!.credentialId);
      expect(signIn.id).toBe(made!.credentialId);
      expect(isSignedBy(stored!.publicKeySpki, signIn)).toBe(true);
    },
  );
});

/** What a website does to let somebody in (WebAuthn Level 3 §7.2, step 22), by the public key that it keeps. */
function isSignedBy(spki: string, { response }: Assertion): boolean {
  const { authenticatorData, clientDataJSON, signature } = response;
  const key = createPublicKey({ key: Buffer.from(spki, 'base64url'), format: 'der', type: 'spki' });
  const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
  const signed = Buffer.concat([Buffer.from(authenticatorData, 'base64url'), hash]);
  return verify('sha256', signed, key, Buffer.from(signature, 'base64url'));
}
