import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiKeys } from '#libs/callers';
import type { Scope } from '#libs/kernel';
import { SeededRandom } from '../../support/drivers/seeded-random.js';
import { Interface, type Operation } from '../../support/drivers/interface.js';
import { Values } from '../../support/drivers/values.js';
import { Story, type Answer } from '../../support/story.js';

const WHOLE: Scope[] = ['onboardings:read', 'onboardings:write', 'onboardings:erase'];
const UNKNOWN = '01980000-0000-7000-8000-000000000000';

/** Bodies that the test cannot make from the schemas alone. */
const BODIES: Record<string, unknown> = {
  '/v1/onboardings/{id}/otp/verify': { code: '123456' },
  '/v1/onboardings/{id}/authenticators': {
    authenticators: [
      {
        authenticatorName: 'phone',
        challenge: 'AAAA',
        attestation: {
          credentialId: 'AAAA',
          clientDataJson: 'AAAA',
          attestationObject: 'AAAA',
          transports: [],
        },
      },
    ],
  },
};

let story: Story;
let described: Interface;
const tokens: Record<string, string> = {};

async function token(
  caller: string,
  scopes: readonly Scope[],
  integrations: string[] | null = null,
): Promise<string> {
  const wanted = { caller, scopes, integrations, name: null, lifeMs: null };
  const made = await story.service.get(ApiKeys).create(wanted, { actor: 'test', address: null });
  return made.token.reveal();
}

beforeAll(async () => {
  story = await Story.begin({
    env: {
      OTP_TRIES: '9',
      OTP_WRONG_PER_ONBOARDING: '90',
      OTP_WRONG_PER_DAY: '900',
      // Short, because the test reads each event stream to its end.
      EVENTS_STREAM_LIFE_MS: '100',
    },
  });
  described = await Interface.load(story.serviceUrl);
  tokens['shop'] = await token('shop', WHOLE);
  tokens['bank'] = await token('bank', WHOLE);
  tokens['reader'] = await token('desk', ['operations:read', 'onboardings:write', 'onboardings:erase']);
  tokens['desk'] = await token('desk', [...WHOLE, 'operations:read', 'operations:write']);
  tokens['elsewhere'] = await token('shop', [...WHOLE, 'operations:write'], ['turnkey']);
});
afterAll(() => story.end());

const as = (who: string, more: Record<string, string> = {}) => ({
  authorization: `Bearer ${tokens[who]}`,
  ...more,
});

const routesOfOneOnboarding = () =>
  described.operations.filter(({ route }) => route.startsWith('/v1/onboardings/{id}'));

function call(
  { method, route, requestBody }: Operation,
  id: string,
  headers: Record<string, string>,
): Promise<Answer> {
  const values = new Values(described, new SeededRandom('isolation'));
  const schema = requestBody?.content['application/json']?.schema;
  const body = schema && (BODIES[route] ?? values.valueFor(schema));
  return story.call(method, route.replace('{id}', id), body, headers);
}

async function ofShop(): Promise<Record<string, string>> {
  const start = async () => {
    const subject = story.newSubject();
    const { body } = await story.start(subject, { externalRef: 'of-shop' }, as('shop'));
    return { id: body.id, subject };
  };
  const [sent, verified, cancelled] = [await start(), await start(), await start()];
  await story.verify(verified.id, story.code(verified.subject), as('shop'));
  await story.call('POST', `/v1/onboardings/${cancelled.id}/cancel`, {}, as('shop'));
  const erased = await start();
  await story.call('DELETE', `/v1/onboardings/${erased.id}`, undefined, as('shop'));
  return { otp_sent: sent.id, otp_verified: verified.id, cancelled: cancelled.id, erased: erased.id };
}

const whole = (id: string) =>
  story.sql(
    `SELECT to_jsonb(o) AS row, (
       SELECT jsonb_agg(e ORDER BY e.seq) FROM onboarding_events e WHERE e.onboarding_id = o.id
     ) AS events
     FROM onboardings o WHERE o.id = $1`,
    [id],
  );

/** Leaves out the parts that differ in each answer. */
const plain = ({ status, body }: Answer, id: string) => {
  const { traceId: _, ...rest } = body as unknown as { traceId: string };
  return { status, body: JSON.parse(JSON.stringify(rest).replaceAll(id, '{id}')) as unknown };
};

describe('a caller that does not own the onboarding', () => {
  it('gets 404 on every route and in every state, as for an unknown id, and changes nothing', async () => {
    const operations = routesOfOneOnboarding();
    expect(operations.length).toBeGreaterThan(8);
    for (const [state, id] of Object.entries(await ofShop())) {
      const before = await whole(id);
      for (const operation of operations) {
        const name = `${operation.method} ${operation.route} of ${state}`;
        const foreign = await call(operation, id, as('bank'));
        const unknown = await call(operation, UNKNOWN, as('bank'));
        if (operation['x-required-scopes']?.some((scope) => WHOLE.includes(scope as Scope))) {
          expect({ name, status: foreign.status, code: foreign.body.code }).toEqual({
            name,
            status: 404,
            code: 'not_found',
          });
        } else {
          expect({ name, status: foreign.status }).toEqual({ name, status: 403 });
        }
        expect({ name, ...plain(foreign, id) }).toEqual({ name, ...plain(unknown, UNKNOWN) });
      }
      expect(await whole(id)).toEqual(before);
    }
  });

  it('gets 404 although the requests are valid: the owner gets neither 400 nor 404 for them', async () => {
    const { otp_sent: id } = await ofShop();
    for (const operation of routesOfOneOnboarding()) {
      const { status, body } = await call(operation, id!, as('shop'));
      expect({ route: operation.route, status, errors: body?.errors }).not.toMatchObject({ status: 400 });
      expect(status).not.toBe(404);
    }
  });

  it('finds none of the owner’s onboardings in lists, with any filter', async () => {
    const { otp_sent: id } = await ofShop();
    for (const filter of [
      '',
      '?caller=shop',
      '?externalRef=of-shop',
      '?state=otp_sent',
      '?limit=200',
      `?cursor=${Buffer.from(UNKNOWN).toString('base64url')}`,
    ]) {
      const { body } = await story.call<{ items: { id: string; caller: string }[] }>(
        'GET',
        `/v1/onboardings${filter}`,
        undefined,
        as('bank'),
      );
      expect(body.items).toEqual([]);
    }
    const { body } = await story.call<{ items: { id: string }[] }>(
      'GET',
      '/v1/onboardings?externalRef=of-shop',
      undefined,
      as('shop'),
    );
    expect(body.items.map((item) => item.id)).toContain(id);
  });

  it('learns that the user already has an onboarding, but not its id, and cannot replace it', async () => {
    const subject = story.newSubject();
    const mine = await story.start(subject, {}, as('shop'));
    for (const more of [{}, { supersede: true }]) {
      const { status, body } = await story.start(subject, more, as('bank'));
      expect({ status, code: body.code, onboardingId: body.onboardingId }).toEqual({
        status: 409,
        code: 'onboarding_live',
        onboardingId: undefined,
      });
      expect(JSON.stringify(body)).not.toContain(mine.body.id);
    }
    expect(
      (await story.call('GET', `/v1/onboardings/${mine.body.id}`, undefined, as('shop'))).body.state,
    ).toBe('otp_sent');
    expect((await story.start(subject, {}, as('shop'))).body.onboardingId).toBe(mine.body.id);
  });

  it('does not get the answer that belongs to the owner’s idempotency key', async () => {
    const key = { 'idempotency-key': 'one-key-of-both' };
    const subject = story.newSubject();
    const mine = await story.start(subject, {}, as('shop', key));
    const other = await story.start(subject, {}, as('bank', key));
    expect(other).toMatchObject({ status: 409, body: { code: 'onboarding_live' } });
    expect(other.headers.get('idempotent-replayed')).toBeNull();
    const own = await story.start(story.newSubject(), {}, as('bank', key));
    expect(own.status).toBe(201);
    expect(own.body.id).not.toBe(mine.body.id);
    expect((await story.start(subject, {}, as('shop', key))).body.id).toBe(mine.body.id);
  });
});

describe('an operator', () => {
  it('sees all onboardings, but cannot act on them with the read scope only', async () => {
    const { otp_sent: id } = await ofShop();
    expect((await story.call('GET', `/v1/onboardings/${id!}`, undefined, as('reader'))).body).toMatchObject({
      id,
      caller: 'shop',
    });
    const before = await whole(id!);
    for (const operation of routesOfOneOnboarding().filter(({ method }) => method !== 'GET')) {
      const { status, body } = await call(operation, id!, as('reader'));
      expect({ route: operation.route, status, code: body.code }).toMatchObject({
        status: 403,
        code: 'forbidden',
      });
    }
    expect(await whole(id!)).toEqual(before);
  });

  it('can act on any onboarding, and the timeline names the operator', async () => {
    const { otp_sent: id } = await ofShop();
    const verify = await story.call(
      'POST',
      `/v1/onboardings/${id!}/otp/verify`,
      { code: '000000' },
      as('desk'),
    );
    expect(verify).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const cancelled = await story.call('POST', `/v1/onboardings/${id!}/cancel`, {}, as('desk'));
    expect(cancelled).toMatchObject({ status: 200, body: { state: 'cancelled' } });
    const { body } = await story.call<{ items: { type: string; data: object }[] }>(
      'GET',
      `/v1/onboardings/${id!}/events`,
      undefined,
      as('shop'),
    );
    expect(body.items.find(({ type }) => type === 'cancelled')?.data).toEqual({ by: 'desk' });
  });
});

describe('an API key limited to one integration', () => {
  it('gives no access to its caller’s onboardings at other integrations', async () => {
    const { otp_sent: id } = await ofShop();
    for (const operation of routesOfOneOnboarding()) {
      const { status } = await call(operation, id!, as('elsewhere'));
      expect({ route: operation.route, status }).toEqual({ route: operation.route, status: 404 });
    }
    const { body } = await story.call<{ items: unknown[] }>(
      'GET',
      '/v1/onboardings',
      undefined,
      as('elsewhere'),
    );
    expect(body.items).toEqual([]);
    const key = { 'idempotency-key': 'of-the-other-key' };
    const subject = story.newSubject();
    expect((await story.start(subject, {}, as('shop', key))).status).toBe(201);
    for (const headers of [as('elsewhere'), as('elsewhere', key)]) {
      expect(await story.start(subject, {}, headers)).toMatchObject({
        status: 403,
        body: { code: 'forbidden' },
      });
    }
  });
});
