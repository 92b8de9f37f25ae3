import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { aCaller, anOnboarding } from '#libs/testing';
import { Expiry } from './expiry.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { OnboardingService } from './onboarding.service.js';
import { Timelines } from './timelines.js';

let onboardings: Onboardings;
let timelines: Timelines;
beforeAll(async () => {
  onboardings = await openOnboardings();
  timelines = onboardings.module.get(Timelines);
});
afterAll(() => onboardings.close());

const sql = (text: string, values: unknown[] = []) => onboardings.dataSource.query(text, values);
const faultOf = async (id: string) => (await timelines.verifyTimeline(id)).fault;

/** Four events, three of them written by one statement; ended where it is to be. */
async function written({ ended = true } = {}): Promise<string> {
  const id = await anOnboarding(onboardings.dataSource);
  const data = { step: 'init-otp', note: 'straße "ü" \n' };
  await onboardings.store.change({
    id,
    where: [],
    patch: {},
    events: [
      { type: 'created', actor: 'caller', data },
      { type: 'attempt_started', actor: 'service' },
      { type: 'attempt_ended', actor: 'upstream', data: { class: 'ok', durationMs: 12.5, big: 1e21 } },
    ],
  });
  if (!ended) return id;
  await onboardings.store.change({
    id,
    where: [],
    patch: { state: 'cancelled' },
    events: [{ type: 'cancelled', actor: 'caller', data: { reason: 'x' } }],
  });
  return id;
}

describe('a timeline', () => {
  it('is whole as it was written, several events by one statement among them', async () => {
    const id = await written();
    expect(await timelines.verifyTimeline(id)).toEqual({
      onboardingId: id,
      events: 4,
      unchained: 0,
      anchoredSeq: null,
      fault: null,
    });
  });

  it('chains what the expiry batch writes for many rows at once', async () => {
    const ids = await Promise.all(
      Array.from({ length: 5 }, () =>
        anOnboarding(onboardings.dataSource, {
          life_ends_at: new Date(0),
          idle_ends_at: new Date(0),
          sealed_grant: Buffer.from('x'),
        }),
      ),
    );
    await onboardings.module.get(Expiry).run();
    for (const id of ids) {
      expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 2, fault: null });
    }
  });

  it('chains what many writers add at once', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const add = () =>
      onboardings.store.change({
        id,
        where: [],
        patch: {},
        events: [
          { type: 'attempt_started', actor: 'service' },
          { type: 'attempt_ended', actor: 'upstream' },
        ],
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 40, fault: null });
  });

  it('does not hang on the time zone that somebody reads it in', async () => {
    const id = await written();
    const runner = onboardings.dataSource.createQueryRunner();
    await runner.query(`SET timezone = 'Asia/Kathmandu'`);
    await runner.query(
      `INSERT INTO onboarding_events (onboarding_id, seq, type, actor) VALUES ($1, 5, 'late_answer_kept', 'upstream')`,
      [id],
    );
    await runner.query('RESET timezone');
    await runner.release();
    await sql('UPDATE onboardings SET last_seq = 5 WHERE id = $1', [id]);
    expect(await faultOf(id)).toBeNull();
  });

  it.each([
    ['data', 2, `UPDATE onboarding_events SET data = '{"step": "verify-otp"}' WHERE seq = 2`],
    ['a type', 3, `UPDATE onboarding_events SET type = 'otp_verified' WHERE seq = 3`],
    ['an instant', 1, `UPDATE onboarding_events SET at = at + interval '1 microsecond' WHERE seq = 1`],
    ['an actor', 4, `UPDATE onboarding_events SET actor = 'service' WHERE seq = 4`],
    [
      'data whose hash is told to be the old one',
      3,
      `UPDATE onboarding_events SET data = '{}', data_hash =
        sha256(uuid_send(salt) || convert_to(data::text, 'UTF8')), salt = NULL WHERE seq = 3`,
    ],
    ['a hash taken away', 2, `UPDATE onboarding_events SET hash = NULL WHERE seq = 2`],
    ['all hashes before one taken away', 4, `UPDATE onboarding_events SET hash = NULL WHERE seq < 4`],
    [
      'two numbers that were changed about',
      2,
      `UPDATE onboarding_events SET seq = 12 - seq WHERE seq = 2;
      UPDATE onboarding_events SET seq = 2 WHERE seq = 3; UPDATE onboarding_events SET seq = 3 WHERE seq = 10`,
    ],
    ['an event taken out of the middle', 2, `DELETE FROM onboarding_events WHERE seq = 2`],
    ['the first one taken away', 1, `DELETE FROM onboarding_events WHERE seq = 1`],
    ['the last one taken away', 4, `DELETE FROM onboarding_events WHERE seq = 4`],
    [
      'one taken out, and the others moved up',
      2,
      `DELETE FROM onboarding_events WHERE seq = 2;
      UPDATE onboarding_events SET seq = 2 WHERE seq = 3; UPDATE onboarding_events SET seq = 3 WHERE seq = 4;
      UPDATE onboardings SET last_seq = 3 WHERE true`,
    ],
    [
      'one that nobody counted',
      5,
      `INSERT INTO onboarding_events (onboarding_id, seq, type, actor)
      SELECT onboarding_id, 5, 'resolved', 'caller' FROM onboarding_events WHERE seq = 4`,
    ],
  ])('tells of %s, and where', async (_, seq, tampering) => {
    const id = await written();
    const other = await written();
    // Only this one's rows: each statement of the tampering ends in its WHERE.
    for (const each of tampering.split(';')) {
      await sql(`${each} AND ${each.includes('UPDATE onboardings') ? 'id' : 'onboarding_id'} = $1`, [id]);
    }
    expect(await faultOf(id)).toMatchObject({ seq });
    expect(await faultOf(other)).toBeNull();
  });

  it.each([
    ['a hash of its own', `'\\x00', gen_random_uuid()`],
    ['no salt, as if it had never been chained', 'NULL, NULL'],
  ])('tells of an event that was inserted with %s', async (_, values) => {
    const id = await written();
    await sql(
      `INSERT INTO onboarding_events (onboarding_id, seq, type, actor, hash, salt)
       VALUES ($1, 5, 'resolved', 'caller', ${values})`,
      [id],
    );
    await sql('UPDATE onboardings SET last_seq = 5 WHERE id = $1', [id]);
    expect(await faultOf(id)).toEqual({ seq: 5, fault: 'altered' });
  });

  it('goes on in a session with an empty search path, as a restore has', async () => {
    const id = await written();
    await onboardings.dataSource.transaction(async (session) => {
      await session.query(`SET LOCAL search_path = ''`);
      await session.query(
        `INSERT INTO public.onboarding_events (onboarding_id, seq, type, actor, data)
         VALUES ($1, 5, 'resolved', 'caller', '{}')`,
        [id],
      );
      await session.query('UPDATE public.onboardings SET last_seq = 5 WHERE id = $1', [id]);
    });
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 5, fault: null });
  });

  it('of the version before begins its chain where the version after goes on', async () => {
    const id = await written({ ended: false });
    await sql('UPDATE onboarding_events SET hash = NULL, salt = NULL WHERE onboarding_id = $1', [id]);
    await onboardings.store.change({
      id,
      where: [],
      patch: { state: 'cancelled' },
      events: [{ type: 'cancelled', actor: 'caller' }],
    });
    expect(await faultOf(id)).toBeNull();
    await sql(`UPDATE onboarding_events SET actor = 'service' WHERE onboarding_id = $1 AND seq = 4`, [id]);
    expect(await faultOf(id)).toMatchObject({ seq: 4 });
  });

  it('is found among all others, page by page', async () => {
    const broken = await written();
    await sql('DELETE FROM onboarding_events WHERE onboarding_id = $1 AND seq = 3', [broken]);
    const faulty: string[] = [];
    let seen = 0;
    for (let after: string | null = null, more = true; more;) {
      const { reports, next } = await timelines.verifyTimelines(after, 7);
      seen += reports.length;
      faulty.push(...reports.filter(({ fault }) => fault).map(({ onboardingId }) => onboardingId));
      after = next;
      more = next !== null;
    }
    const [{ count }] = await sql('SELECT count(*)::int AS count FROM onboardings');
    expect(seen).toBe(count);
    expect(faulty).toContain(broken);
  });
});

/** Does to a timeline's hashes what its trigger does: anybody can who can write to the database. */
async function recompute(id: string): Promise<void> {
  const events: { seq: number; type: string; at: string; actor: string; data: string; salt: Buffer }[] =
    await sql(
      `SELECT seq, type, (extract(epoch FROM at) * 1000000)::bigint::text AS at, actor, data::text AS data,
       uuid_send(salt) AS salt FROM onboarding_events WHERE onboarding_id = $1 ORDER BY seq`,
      [id],
    );
  let before = Buffer.alloc(32);
  for (const { seq, type, at, actor, data, salt } of events) {
    const dataHash = createHash('sha256').update(salt).update(data).digest();
    before = createHash('sha256')
      .update(before)
      .update(`${id}\n${seq}\n${type}\n${at}\n${actor}\n`)
      .update(dataHash)
      .digest();
    await sql('UPDATE onboarding_events SET hash = $3 WHERE onboarding_id = $1 AND seq = $2', [
      id,
      seq,
      before,
    ]);
  }
}

describe('an anchor', () => {
  it('is given to what has ended, and to nothing that lives', async () => {
    const [ended, live] = [await written(), await written({ ended: false })];
    await timelines.anchor();
    expect(await timelines.verifyTimeline(ended)).toMatchObject({ anchoredSeq: 4, fault: null });
    expect(await timelines.verifyTimeline(live)).toMatchObject({ anchoredSeq: null, fault: null });
    expect((await timelines.anchor()).anchored).toBe(0);
  });

  it('is given again when something more happened', async () => {
    const id = await written();
    await timelines.anchor();
    await onboardings.store.change({
      id,
      where: [],
      patch: {},
      events: [{ type: 'late_answer_kept', actor: 'upstream' }],
    });
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 5, anchoredSeq: 4, fault: null });
    await timelines.anchor();
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 5, fault: null });
  });

  it.each([
    [
      'data, all hashes computed anew',
      `UPDATE onboarding_events SET data = '{"reason": "y"}' WHERE seq = 4`,
      null,
    ],
    [
      'the last event taken away, and not counted',
      'DELETE FROM onboarding_events WHERE seq = 4',
      `last_seq = 3`,
    ],
    [
      'the same, its anchor made to fit',
      'DELETE FROM onboarding_events WHERE seq = 4',
      `last_seq = 3, anchored_seq = 3`,
    ],
    ['the state that it ended in', null, `state = 'completed'`],
    ['an ended onboarding brought back', null, `state = 'otp_sent'`],
  ])('tells of %s', async (_, event, row) => {
    const id = await written();
    await timelines.anchor();
    if (event) await sql(`${event} AND onboarding_id = $1`, [id]);
    if (row) await sql(`UPDATE onboardings SET ${row} WHERE id = $1`, [id]);
    await recompute(id);
    expect(await faultOf(id)).toMatchObject({ fault: 'anchor' });
  });

  it('is not given to what is broken already, and the count tells', async () => {
    const id = await written();
    await sql(`UPDATE onboarding_events SET actor = 'service' WHERE onboarding_id = $1 AND seq = 1`, [id]);
    expect((await timelines.anchor()).broken).toBeGreaterThan(0);
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: null, fault: { seq: 1 } });
  });

  it('is given once by workers that do it at once', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => written()));
    const runs = await Promise.all([timelines.anchor(), timelines.anchor(), timelines.anchor()]);
    expect(runs.every(({ anchored }) => anchored <= 200)).toBe(true);
    for (const id of ids)
      expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 4, fault: null });
  });
});

describe('a timeline that lost its anchor and its hashes', () => {
  const strip = async (id: string) => {
    await sql('UPDATE onboardings SET anchor = NULL, anchored_seq = NULL WHERE id = $1', [id]);
    await sql(
      `UPDATE onboarding_events SET hash = NULL, salt = NULL, actor = 'forger' WHERE onboarding_id = $1`,
      [id],
    );
  };

  it('is not vouched for anew, and counted once', async () => {
    const id = await written();
    await timelines.anchor();
    await strip(id);
    expect(await timelines.anchor()).toMatchObject({ anchored: 0, unchained: 1 });
    expect(await timelines.anchor()).toMatchObject({ anchored: 0, unchained: 0 });
    expect(await timelines.verifyTimeline(id)).toMatchObject({
      unchained: 4,
      anchoredSeq: null,
      fault: null,
    });
  });

  it('is vouched for from where its chain begins, if anything follows', async () => {
    const id = await written();
    await strip(id);
    await timelines.anchor();
    await onboardings.store.change({
      id,
      where: [],
      patch: {},
      events: [{ type: 'late_answer_kept', actor: 'upstream' }],
    });
    expect(await timelines.anchor()).toMatchObject({ anchored: 1, unchained: 0 });
    expect(await timelines.verifyTimeline(id)).toMatchObject({ unchained: 4, anchoredSeq: 5, fault: null });
  });

  it('may not merely claim to have been passed over', async () => {
    const id = await written();
    await timelines.anchor();
    await sql('UPDATE onboardings SET anchor = NULL WHERE id = $1', [id]);
    expect(await faultOf(id)).toEqual({ seq: 4, fault: 'anchor' });
  });

  it('is told by the log, which has what it was: its number and its hash, in lines of 100', async () => {
    const ids = await Promise.all(Array.from({ length: 130 }, () => written()));
    const log = jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);
    const linesOf = async () => {
      log.mockClear();
      await timelines.anchor();
      return log.mock.calls.map(([line]) => (line as { anchored: { id: string }[] }).anchored);
    };
    const lines = await linesOf();
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines.flat().map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    const before = lines.flat().find(({ id }) => id === ids[7]);
    const [last] = await sql(
      `SELECT encode(hash, 'hex') AS hash FROM onboarding_events WHERE onboarding_id = $1 AND seq = 4`,
      [ids[7]],
    );
    expect(before).toEqual({ id: ids[7], seq: 4, hash: last.hash });
    // The forgery that the service vouches for: anchor away, hashes made to fit.
    await sql('UPDATE onboardings SET anchor = NULL, anchored_seq = NULL WHERE id = $1', [ids[7]]);
    await sql(`UPDATE onboarding_events SET actor = 'forger' WHERE onboarding_id = $1`, [ids[7]]);
    await recompute(ids[7]!);
    const [again] = (await linesOf()).flat();
    expect(again).toMatchObject({ id: ids[7], seq: 4 });
    expect(again).not.toEqual(before);
    expect(await linesOf()).toEqual([]);
    log.mockRestore();
  });
});

describe('an erased timeline', () => {
  it('is whole without its data, before and after its anchor', async () => {
    const id = await written();
    await timelines.anchor();
    await onboardings.module.get(OnboardingService).erase(id, { caller: aCaller(), waitMs: 0 });
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 5, anchoredSeq: 4, fault: null });
    await timelines.anchor();
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 5, fault: null });
    const rows = await sql('SELECT data, salt, data_hash FROM onboarding_events WHERE onboarding_id = $1', [
      id,
    ]);
    expect(rows).toHaveLength(5);
    for (const row of rows) expect(row).toEqual({ data: {}, salt: null, data_hash: expect.any(Buffer) });
  });

  it('tells of data that was put back', async () => {
    const id = await written();
    await onboardings.module.get(OnboardingService).erase(id, { caller: aCaller(), waitMs: 0 });
    await sql(`UPDATE onboarding_events SET data = '{"a": 1}' WHERE onboarding_id = $1 AND seq = 3`, [id]);
    expect(await faultOf(id)).toEqual({ seq: 3, fault: 'altered' });
  });
});
