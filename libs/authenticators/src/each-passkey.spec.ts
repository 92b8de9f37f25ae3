import { expect, it } from '@jest/globals';
import { PreflightError } from './attestation-error.js';
import { eachPasskey } from './each-passkey.js';

const row = { deviceSigning: null };

it('eachPasskey lets other requests run before each passkey, even if no check waits', async () => {
  const order: string[] = [];
  let done = false;
  const other = () => {
    order.push('other');
    if (!done) setImmediate(other);
  };
  setImmediate(other);
  await eachPasskey(row, ['one', 'two', 'three'], (passkey) => order.push(passkey));
  done = true;
  const [one, two, three] = ['one', 'two', 'three'].map((passkey) => order.indexOf(passkey));
  expect(order.slice(0, one)).toContain('other');
  expect(order.slice(one, two)).toContain('other');
  expect(order.slice(two, three)).toContain('other');
});

it('eachPasskey reports the faults of all passkeys together, each with its index', async () => {
  const checked = eachPasskey(row, [true, false, true, false], (good) => {
    if (!good) throw new PreflightError('rp_id_mismatch');
  });
  await expect(checked).rejects.toMatchObject({
    code: 'attestation_invalid',
    errors: [{ pointer: '/authenticators/1' }, { pointer: '/authenticators/3' }],
  });
});
