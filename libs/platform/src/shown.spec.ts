import { describe, expect, it } from '@jest/globals';
import { shownMember, shownPath } from './shown.js';

describe('logs and answers', () => {
  it.each([
    [
      '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000/otp/verify?code=1',
      '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000/otp/verify',
    ],
    ['/V1/Onboardings/', '/V1/Onboardings/'],
    ['/openapi.json', '/openapi.json'],
    ['/v1/onboardings/123456', '/v1/onboardings/*'],
    ['/v1/onboardings/Canary7X9/cancel', '/v1/onboardings/*/cancel'],
    ['/v1/ana@example.com', '/v1/*'],
    [`/gw_0123456789abcdef0123_${'a'.repeat(43)}`, '/*'],
    ['/ops-aOSONqHmRIfybYqNCOIbvzyv', '/*'],
    ['/aOSONqHm', '/*'],
    [`/${'a'.repeat(25)}`, '/*'],
  ])('show the path %s as %s', (url, shown) => expect(shownPath(url)).toBe(shown));

  it.each([
    ['accountId', 'accountId'],
    ['clientDataJSON', 'clientDataJSON'],
    ['7', '7'],
    ['123456', '*'],
    ['CANARYXYZ', '*'],
    ['aOSONqHmRIfybYqNCOIbvzyvdX', '*'],
    ['gw_x', '*'],
  ])('show the JSON member name %s as %s', (name, shown) => expect(shownMember(name)).toBe(shown));
});
