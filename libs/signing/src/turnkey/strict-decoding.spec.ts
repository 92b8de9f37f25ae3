import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { base64urlBytes, hexBytes, jsonObject } from './strict-decoding.js';

it('hexBytes and base64urlBytes decode any bytes that were encoded', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      expect(hexBytes(buffer.toString('hex'))).toEqual(buffer);
      expect(hexBytes(buffer.toString('hex').toUpperCase())).toEqual(buffer);
      expect(base64urlBytes(buffer.toString('base64url'))).toEqual(buffer);
    }),
  );
});

it.each([undefined, null, 12, '', '0', '0x00', '00 ', '0g', 'zz'])('hexBytes refuses %j', (text) => {
  expect(hexBytes(text)).toBeUndefined();
});

// Unlike `base64urlBytes`, `Buffer.from` accepts all these strings.
it.each([undefined, null, 12, '', 'QQ==', 'QR', '-_+/', 'Q Q', 'QUFB\n', 'A'])(
  'base64urlBytes refuses %j',
  (text) => {
    expect(base64urlBytes(text)).toBeUndefined();
  },
);

it('jsonObject reads only JSON objects', () => {
  expect(jsonObject('{"é":[1]}')).toEqual({ é: [1] });
  expect(jsonObject(Buffer.from('{"é":[1]}'))).toEqual({ é: [1] });
  const notUtf8 = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  for (const json of [undefined, '', '{', '[]', 'null', '"{}"', '\ufeff{}', notUtf8]) {
    expect(jsonObject(json)).toBeUndefined();
  }
});
