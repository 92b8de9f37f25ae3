import { expect, it } from '@jest/globals';
import { aCall, keyObjectsMade } from '#libs/testing';
import { keptSessionKey } from './session-keys.js';

it('a session key is parsed once per use, whether it is new or stored', async () => {
  const call = aCall();
  const sessionKey = () => keptSessionKey(call);
  let first!: Awaited<ReturnType<typeof sessionKey>>;
  const made = await keyObjectsMade(async () => {
    first = await sessionKey();
    first.key.sign(Buffer.from('message'));
  });
  expect(made).toEqual({ createPrivateKey: 1 });

  let again!: typeof first;
  expect(await keyObjectsMade(async () => (again = await sessionKey()))).toEqual({ createPrivateKey: 1 });
  expect(again.key.publicKeyCompressedHex).toBe(first.key.publicKeyCompressedHex);
  expect(again.privateKey.reveal()).toBe(first.privateKey.reveal());
});
