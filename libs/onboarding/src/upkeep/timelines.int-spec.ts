import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { aCaller, anOnboarding, lookAgain } from '#libs/testing';
import { Erasure } from '../commands/erase.js';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { write } from '../fixtures/write.js';
import { TIMELINE } from '../store/statements/timelines.js';
import { Timelines } from './timelines.js';
import { Expiry } from './expire.js';

let onboardings: Onboardings;
let timelines: Timelines;
beforeAll(async () => {
  onboardings = await openOnboardings();
  timelines = onboardings.module.get(Timelines);
});
afterAll(() => onboardings.close());

const sql = (text: string, values: unknown[] = []) => onboardings.dataSource.query(text, values);
const faultOf = async (id: string) => (await timelines.verifyTimeline(id)).fault;

const eraseByCaller = (id: string) =>
  onboardings.module.get(OnboardingService).erase(id, { caller: aCaller(), waitMs: 0 });

async function written({ ended = true } = {}): Promise<string> {
  const { store } = onboardings;
  const id = await anOnboarding(onboardings.dataSource);
  await write(store, id, [
    { type: 'otp_resend_asked', actor: 'caller', data: { reason: 'straße "ü" \n' } },
    { type: 'attempt_started', actor: 'service', data: { attempt: 1, step: 'init-otp', fingerprint: null } },
    {
      type: 'attempt_ended',
      actor: 'upstream',
      data: { step: 'init-otp', attempt: 1, class: 'ok', upstreamStatus: 200, durationMs: 12.5 },
    },
  ]);
  if (!ended) return id;
  const cancelled = { type: 'cancelled', actor: 'caller', data: { reason: 'x' } } as const;
  await write(store, id, [cancelled], { state: 'cancelled' });
  return id;
}

const addLateAnswer = (id: string) =>
  write(onboardings.store, id, [{ type: 'late_answer_kept', actor: 'upstream' }]);

describe('a stored timeline', () => {
  it('is intact if it was not altered, even if one statement wrote several events', async () => {
    const id = await written();
    expect(await timelines.verifyTimeline(id)).toEqual({
      onboardingId: id,
      events: 4,
      anchoredSeq: null,
      fault: null,
    });
  });

  it('is intact if the expiry batch writes many rows in one statement', async () => {
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

  it('is intact if many writers add to it at the same time', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const add = () =>
      write(onboardings.store, id, [
        { type: 'otp_sent', actor: 'upstream' },
        { type: 'otp_expired', actor: 'service' },
      ]);
    await Promise.all(Array.from({ length: 20 }, add));
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 40, fault: null });
  });

  it('is read in the same way in every time zone', async () => {
    const id = await written();
    const runner = onboardings.dataSource.createQueryRunner();
    const before = await runner.query(TIMELINE.text, TIMELINE.bind({ id }));
    await runner.query(`SET timezone = 'Asia/Kathmandu'`);
    expect(await runner.query(TIMELINE.text, TIMELINE.bind({ id }))).toEqual(before);
    expect(before[0].events).toHaveLength(4);
    await runner.query('RESET timezone');
    await runner.release();
  });

  it.each([
    ['an event deleted from the middle', 2, `DELETE FROM onboarding_events WHERE seq = 2`],
    ['a deleted first event', 1, `DELETE FROM onboarding_events WHERE seq = 1`],
    ['a deleted last event', 4, `DELETE FROM onboarding_events WHERE seq = 4`],
    [
      'an event that the row does not count',
      5,
      `INSERT INTO onboarding_events (onboarding_id, seq, type, actor)
      SELECT onboarding_id, 5, 'resolved', 'caller' FROM onboarding_events WHERE seq = 4`,
    ],
  ])(
    'is found broken even before its hash is stored, and the place is found: %s',
    async (_, seq, tampering) => {
      const [id, other] = [await written(), await written()];
      await sql(`${tampering} AND onboarding_id = $1`, [id]);
      expect(await faultOf(id)).toEqual({ seq, fault: seq === 5 ? 'surplus' : 'missing' });
      expect(await faultOf(other)).toBeNull();
    },
  );

  it('with a missing event is found by a check that reads all timelines page by page', async () => {
    const broken = await written();
    await sql('DELETE FROM onboarding_events WHERE onboarding_id = $1 AND seq = 3', [broken]);
    const faulty: string[] = [];
    let seen = 0;
    for (let after: string | null = null, more = true; more;) {
      const page: Awaited<ReturnType<Timelines['verifyTimelines']>> = await timelines.verifyTimelines(
        after,
        7,
      );
      seen += page.reports.length;
      faulty.push(...page.reports.filter(({ fault }) => fault).map(({ onboardingId }) => onboardingId));
      after = page.next;
      more = page.next !== null;
    }
    const [{ count }] = await sql('SELECT count(*)::int AS count FROM onboardings');
    expect(seen).toBe(count);
    expect(faulty).toContain(broken);
  });
});

describe('an anchor (the stored hash of a timeline)', () => {
  it('is written for ended onboardings only', async () => {
    const [ended, live] = [await written(), await written({ ended: false })];
    await timelines.anchor();
    expect(await timelines.verifyTimeline(ended)).toMatchObject({ anchoredSeq: 4, fault: null });
    expect(await timelines.verifyTimeline(live)).toMatchObject({ anchoredSeq: null, fault: null });
    expect((await timelines.anchor()).anchored).toBe(0);
    expect(await onboardings.load(ended)).toMatchObject({ dueAt: null });
  });

  it('is written again after another event', async () => {
    const id = await written();
    await timelines.anchor();
    await addLateAnswer(id);
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 5, anchoredSeq: 4, fault: null });
    await timelines.anchor();
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 5, fault: null });
  });

  it('is written again only if the earlier anchor fits', async () => {
    const id = await written();
    await timelines.anchor();
    await sql(`UPDATE onboarding_events SET actor = 'upstream' WHERE onboarding_id = $1 AND seq = 4`, [id]);
    await addLateAnswer(id);
    expect(await timelines.anchor()).toEqual({ anchored: 0, broken: 1 });
    expect(await timelines.verifyTimeline(id)).toMatchObject({
      events: 5,
      anchoredSeq: 4,
      fault: { seq: 4, fault: 'anchor' },
    });
  });

  it.each([
    ['data', `UPDATE onboarding_events SET data = '{"reason": "y"}' WHERE seq = 4`],
    ['a type', `UPDATE onboarding_events SET type = 'otp_verified' WHERE seq = 3`],
    ['an instant', `UPDATE onboarding_events SET at = at + interval '1 microsecond' WHERE seq = 1`],
    ['an actor', `UPDATE onboarding_events SET actor = 'service' WHERE seq = 4`],
    [
      'two swapped numbers',
      `UPDATE onboarding_events SET seq = 12 - seq WHERE seq = 2;
      UPDATE onboarding_events SET seq = 2 WHERE seq = 3;
      UPDATE onboarding_events SET seq = 3 WHERE seq = 10`,
    ],
    [
      'a deleted event, with the others renumbered',
      `DELETE FROM onboarding_events WHERE seq = 2;
      UPDATE onboarding_events SET seq = 2 WHERE seq = 3; UPDATE onboarding_events SET seq = 3 WHERE seq = 4;
      UPDATE onboardings SET last_seq = 3 WHERE true`,
    ],
    [
      'a deleted last event, with a count of events that fits',
      `DELETE FROM onboarding_events WHERE seq = 4; UPDATE onboardings SET last_seq = 3 WHERE true`,
    ],
    [
      'a deleted last event, with a count of events and a number of the anchor that fit',
      `DELETE FROM onboarding_events WHERE seq = 4;
      UPDATE onboardings SET last_seq = 3, anchored_seq = 3 WHERE true`,
    ],
    ['the state that it ended in', `UPDATE onboardings SET state = 'completed' WHERE true`],
    ['an ended onboarding made live', `UPDATE onboardings SET state = 'otp_sent' WHERE true`],
    ['a deleted anchor', `UPDATE onboardings SET anchor = NULL WHERE true`],
    ['a shortened anchor', `UPDATE onboardings SET anchor = substring(anchor FROM 2) WHERE true`],
  ])('shows that an attacker changed %s', async (_, tampering) => {
    const [id, other] = [await written(), await written()];
    await timelines.anchor();
    // Each statement ends with a WHERE clause. The added condition limits it to this onboarding.
    for (const each of tampering.split(';')) {
      await sql(`${each} AND ${each.includes('UPDATE onboardings') ? 'id' : 'onboarding_id'} = $1`, [id]);
    }
    expect(await faultOf(id)).toMatchObject({ fault: 'anchor' });
    expect(await faultOf(other)).toBeNull();
  });

  it('is not written for a broken timeline; the timeline is counted, and blocks no other rows', async () => {
    const [broken, whole] = [await written(), await written()];
    await sql('DELETE FROM onboarding_events WHERE onboarding_id = $1 AND seq = 1', [broken]);
    expect(await timelines.anchor()).toEqual({ anchored: 1, broken: 1 });
    expect(await timelines.verifyTimeline(broken)).toMatchObject({ anchoredSeq: null, fault: { seq: 1 } });
    expect(await timelines.verifyTimeline(whole)).toMatchObject({ anchoredSeq: 4 });
    // A broken timeline is checked again in an hour.
    expect(await timelines.anchor()).toEqual({ anchored: 0, broken: 0 });
    expect((await onboardings.load(broken)).dueAt!.getTime()).toBeGreaterThan(Date.now() + 3_000_000);
  });

  it('is correct even if concurrent workers write it', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => written()));
    const runs = await Promise.all([timelines.anchor(), timelines.anchor(), timelines.anchor()]);
    expect(runs.every(({ broken }) => broken === 0)).toBe(true);
    for (const id of ids)
      expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 4, fault: null });
  });

  it('is not written while another statement writes the onboarding, but in the next run', async () => {
    const id = await written();
    const writer = onboardings.dataSource.createQueryRunner();
    await writer.startTransaction();
    await writer.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [id]);
    expect(await timelines.anchor()).toEqual({ anchored: 0, broken: 0 });
    await writer.rollbackTransaction();
    await writer.release();
    expect(await timelines.anchor()).toEqual({ anchored: 1, broken: 0 });
  });

  it('that was deleted is replaced, even for a forged timeline: the log has the two hashes', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 130; n++) ids.push(await written());
    const log = jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);
    const linesOf = async () => {
      log.mockClear();
      await timelines.anchor();
      return log.mock.calls.map(
        ([line]) => (line as { anchored: { id: string; digest: string }[] }).anchored,
      );
    };
    const lines = await linesOf();
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines.flat().map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    const id = ids[7]!;
    const before = lines.flat().find((line) => line.id === id)!;
    const [{ digest }] = await sql(`SELECT encode(anchor, 'hex') AS digest FROM onboardings WHERE id = $1`, [
      id,
    ]);
    expect(before).toEqual({ id, seq: 4, digest });
    await sql('UPDATE onboardings SET anchor = NULL, anchored_seq = NULL WHERE id = $1', [id]);
    await sql(`UPDATE onboarding_events SET actor = 'forger' WHERE onboarding_id = $1`, [id]);
    // Without an anchor, the onboarding looks as if it had just ended.
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: null, fault: null });
    await lookAgain(onboardings.dataSource, id);
    const [again] = (await linesOf()).flat();
    expect(again).toMatchObject({ id, seq: 4 });
    expect(again!.digest).not.toBe(before.digest);
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 4, fault: null });
    expect(await linesOf()).toEqual([]);
    log.mockRestore();
  });
});

describe('the timeline of an erased onboarding', () => {
  const dataOf = async (id: string) =>
    (await sql('SELECT data FROM onboarding_events WHERE onboarding_id = $1', [id])).map(
      ({ data }: { data: unknown }) => data,
    );

  it('is intact without its data, before and after its new hash is stored', async () => {
    const id = await written();
    await timelines.anchor();
    await eraseByCaller(id);
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 5, anchoredSeq: 4, fault: null });
    await timelines.anchor();
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 5, fault: null });
    expect(await dataOf(id)).toEqual([{}, {}, {}, {}, {}]);
  });

  it('gets a hash over the events without data, if no hash was stored before the erasure', async () => {
    const id = await written();
    await eraseByCaller(id);
    expect(await timelines.verifyTimeline(id)).toMatchObject({ events: 5, anchoredSeq: null, fault: null });
    await timelines.anchor();
    expect(await timelines.verifyTimeline(id)).toMatchObject({ anchoredSeq: 5, fault: null });
  });

  it('is found broken if erased data was written again', async () => {
    const id = await written();
    await timelines.anchor();
    await eraseByCaller(id);
    await sql(`UPDATE onboarding_events SET data = '{"a": 1}' WHERE onboarding_id = $1 AND seq = 3`, [id]);
    expect(await faultOf(id)).toEqual({ seq: 4, fault: 'anchor' });
  });

  it('stays broken if it was broken before the erasure', async () => {
    const id = await written();
    await timelines.anchor();
    await sql(`UPDATE onboarding_events SET type = 'otp_verified' WHERE onboarding_id = $1 AND seq = 3`, [
      id,
    ]);
    await eraseByCaller(id);
    expect(await faultOf(id)).toEqual({ seq: 4, fault: 'anchor' });
    expect(await timelines.anchor()).toEqual({ anchored: 0, broken: 1 });
    expect(await dataOf(id)).toEqual([{}, {}, {}, {}, {}]);
  });
});

describe('an erasure', () => {
  it.each([
    ['the timeline had no anchor at the read', async () => undefined],
    [
      'the anchor at the read covered fewer events',
      async (id: string) => {
        await timelines.anchor();
        await addLateAnswer(id);
      },
    ],
  ])('is refused if the hash of the timeline was stored after the row was read: %s', async (_, prepare) => {
    const id = await written();
    await prepare(id);
    const erasure = onboardings.module.get(Erasure);
    const seen = await onboardings.load(id);
    await timelines.anchor();
    expect(await erasure.erase(seen, 'caller')).toBeNull();
    expect(await erasure.erase(await onboardings.load(id), 'caller')).toMatchObject({ subject: {} });
    expect(await faultOf(id)).toBeNull();
  });
});
