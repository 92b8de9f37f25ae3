import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { Metrics } from '#libs/platform';
import { NOTHING_SENT, UpstreamError } from '#libs/upstream';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { RefusalList } from './refusal-list.js';
import { TEXTS_KEPT, UnknownRefusals } from './unknown-refusals.js';

const call = { integration: 'byzantine', step: 'init-otp', onboardingId: null };
/** Words without digits, because a number would be replaced by a placeholder. */
const wordOf = (n: number) => [...String(n)].map((digit) => 'abefijoxuy'[Number(digit)]).join('a');
const refused = (text: string, status = 400) =>
  new UpstreamError('rejected_unclear', { detail: 'refused', evidence: NOTHING_SENT }).saying(status, text);

let onboardings: Onboardings;
let refusals: UnknownRefusals;
let list: RefusalList;
beforeAll(async () => {
  onboardings = await openOnboardings();
  refusals = onboardings.module.get(UnknownRefusals);
  list = new RefusalList(onboardings.module.get(PreparedStatements, { strict: false }));
});
afterAll(() => onboardings.close());
beforeEach(() => onboardings.dataSource.query('DELETE FROM unknown_refusals'));

it('the counter of unknown refusals starts at 0 for each step and for the probe', async () => {
  const counter = onboardings.module.get(Metrics).counter('gangway_unknown_refusals_total');
  const { values } = await counter.get();
  const ofByzantine = values.filter(({ labels }) => labels.integration === 'byzantine');
  expect(ofByzantine.map(({ labels, value }) => `${labels.step} ${value}`).sort()).toEqual([
    'create-authenticators 0',
    'init-otp 0',
    'probe 0',
    'verify-otp 0',
  ]);
});

it('equal texts of refusals are counted in one row, over several writes', async () => {
  for (let n = 0; n < 3; n++) refusals.note(call, refused(`no user ${1_000 + n}`));
  refusals.note(call, refused('no user 77777', 403));
  await refusals.write();
  const onboardingId = '0193e2b4-0000-7000-8000-000000000001';
  refusals.note({ ...call, onboardingId }, refused('no user 4711'));
  await refusals.write();
  const rows = await list.list('byzantine', 10);
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({ status: 400, refusal: 'no user <number>', count: 4, onboardingId });
  expect(rows[1]).toMatchObject({ status: 403, refusal: 'no user <number>', count: 1, onboardingId: null });
  expect(rows[0]!.firstSeenAt.getTime()).toBeLessThanOrEqual(rows[0]!.lastSeenAt.getTime());
});

it('an integration’s stored texts of refusals are limited; further texts are counted together', async () => {
  for (let n = 0; n < TEXTS_KEPT + 30; n++) refusals.note(call, refused(`reason ${wordOf(n)}`));
  await refusals.write();
  for (let n = 0; n < TEXTS_KEPT + 40; n++) refusals.note(call, refused(`reason ${wordOf(n)}`));
  refusals.note({ ...call, integration: 'turnkey' }, refused('another reason'));
  await refusals.write();
  const rows = await list.list('byzantine', 1_000);
  expect(rows).toHaveLength(TEXTS_KEPT + 1);
  const others = rows.find(({ refusal }) => refusal === '')!;
  expect(others.count).toBe(30 + 40);
  expect(rows.filter(({ refusal }) => refusal !== '').every(({ count }) => count === 2)).toBe(true);
  expect(await list.list('turnkey', 10)).toHaveLength(1);
});

it('unknown texts of refusals stay in memory while PostgreSQL is away; one log line says so', async () => {
  const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
  const told = () => warn.mock.calls.filter(([, text]) => String(text).includes('not stored yet'));
  await onboardings.dataSource.query(
    `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
     AS $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$`,
  );
  await onboardings.dataSource.query(
    'CREATE TRIGGER full_disk BEFORE INSERT ON unknown_refusals EXECUTE FUNCTION full_disk()',
  );
  try {
    for (let n = 0; n < 3; n++) {
      refusals.note(call, refused('the sky is green'));
      await refusals.write();
    }
  } finally {
    await onboardings.dataSource.query('DROP FUNCTION full_disk CASCADE');
  }
  expect(told()).toHaveLength(1);
  // The first call may join a run that began on the full disk.
  for (let run = 0; run < 2; run++) await refusals.write();
  expect(await list.list(null, 10)).toMatchObject([{ refusal: 'the sky is green', count: 3 }]);
  warn.mockRestore();
});

it('a refusal’s text that PostgreSQL does not accept is dropped, and the others are stored', async () => {
  const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
  await onboardings.dataSource.query(
    `ALTER TABLE unknown_refusals ADD CONSTRAINT no_stones CHECK (refusal NOT LIKE '%stones')`,
  );
  try {
    refusals.note(call, refused('we take no stones'));
    refusals.note(call, refused('we take no rain'));
    await refusals.write();
  } finally {
    await onboardings.dataSource.query('ALTER TABLE unknown_refusals DROP CONSTRAINT no_stones');
  }
  expect(warn.mock.calls.filter(([, text]) => String(text).includes('are lost'))).toHaveLength(1);
  await refusals.write();
  expect(await list.list(null, 10)).toMatchObject([{ refusal: 'we take no rain', count: 1 }]);
  warn.mockRestore();
});

it('a refusal’s text that is cut in the middle of a character is stored', async () => {
  refusals.note(call, refused(`${'a '.repeat(149)}x😀 tail`));
  await refusals.write();
  expect(await list.list(null, 10)).toHaveLength(1);
});

it('a text is not stored if it is known or empty, or if the answer is not a refusal', async () => {
  refusals.note(call, new UpstreamError('rejected', { detail: 'x', evidence: NOTHING_SENT }));
  refusals.note(call, refused(' '));
  refusals.note(call, refused('on fire', 503));
  await refusals.write();
  expect(await list.list(null, 10)).toEqual([]);
});
