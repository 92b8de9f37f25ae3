import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { faultWords } from '../src/page/words.js';

const OPENAPI = join(import.meta.dirname, '..', '..', '..', 'docs', 'openapi.json');
const { paths } = JSON.parse(readFileSync(OPENAPI, 'utf8')) as {
  paths: Record<string, { post?: { responses: Record<string, { description: string }> } }>;
};
const COMMANDS = [
  '',
  '/{id}/otp/resend',
  '/{id}/otp/verify',
  '/{id}/authenticators/options',
  '/{id}/authenticators',
  '/{id}/cancel',
];
/** Error codes that the demo's server handles, or that the demo's requests cannot cause. */
const NEVER_SHOWN = new Set([
  'unauthenticated',
  'forbidden',
  'not_found',
  'onboarding_erased',
  'version_mismatch',
  'payload_too_large',
  'unsupported_media_type',
  'idempotency_key_reused',
  'idempotency_in_progress',
]);

const codes = COMMANDS.flatMap((command) =>
  Object.entries(paths[`/v1/onboardings${command}`]!.post!.responses)
    .filter(([status]) => Number(status) >= 400)
    .flatMap(([, { description }]) => [...description.matchAll(/`(\w+)`/g)].map(([, code]) => code!)),
);

describe('the text for an error', () => {
  it('exists for each error code that can reach the page of the demo', () => {
    const detail = 'text for a log';
    const shown = [...new Set(codes)].filter((code) => !NEVER_SHOWN.has(code));
    expect(shown).toEqual(expect.arrayContaining(['otp_expired', 'rate_limited']));
    expect(shown.filter((code) => faultWords({ code, detail }).includes(detail))).toEqual([]);
  });
});
