import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SecretHunt } from '../../support/secret-hunt.js';
import { Sinks } from '../../support/sinks.js';
import { Story } from '../../support/story.js';
import { DOORS, Person, throughDoor } from '../../support/turnkey-door.js';

let story: Story;
let sinks: Sinks;

const found = async (contact: string) => {
  const { status, body } = await story.call<{ items: { id: string; subject: object }[] }>(
    'GET',
    `/v1/onboardings?contact=${encodeURIComponent(contact)}`,
  );
  expect(status).toBe(200);
  return body.items;
};

describe.each(DOORS)('a contact at %s', (door) => {
  beforeAll(async () => {
    story = await Story.begin({ env: throughDoor(door) });
    sinks = await Sinks.open(story);
  });
  afterAll(async () => {
    sinks?.close();
    await story.end();
  });

  it('is stored nowhere in plain text, from the first code to the passkey', async () => {
    const person = new Person(story, { known: false });
    const hunt = new SecretHunt().add('contact', person.email).add('its name', person.email.split('@')[0]!);
    const headers = { 'idempotency-key': randomUUID() };
    const started = await story.call('POST', '/v1/onboardings', { subject: person.subject }, headers);
    const { id } = started.body;
    const look = async () => hunt.in(`${await sinks.databaseDump()}\n${await sinks.redisDump()}`);
    await story.until(id, 'otp_sent');
    expect(await look()).toEqual([]);
    await story.verify(id, person.code(), { 'idempotency-key': randomUUID() });
    expect(await look()).toEqual([]);
    await story.register(id, [await story.passkey(id)], { 'idempotency-key': randomUUID() });
    await story.until(id, 'completed');
    expect(await look()).toEqual([]);
    expect(hunt.in(sinks.sentToRedis())).toEqual([]);

    // A caller with the read scope sees the contact, also in a repeated answer.
    expect((await story.get(id)).body.subject).toEqual(person.subject);
    expect(started.body.subject).toEqual(person.subject);
    const again = await story.call('POST', '/v1/onboardings', { subject: person.subject }, headers);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.body).toEqual(started.body);
  });

  it('as a filter in upper or lower case, finds only its own onboardings', async () => {
    const [person, other] = [new Person(story), new Person(story)];
    const { id } = (await person.start()).body;
    await other.start();
    await story.cancel(id);
    const next = (await person.start()).body.id;
    for (const spelt of [person.email, person.email.toUpperCase()]) {
      const items = await found(spelt);
      expect(items.map((each) => each.id)).toEqual([next, id]);
      expect(items[0]!.subject).toEqual(person.subject);
    }
    expect(await found('unknown@example.com')).toEqual([]);
    expect(await found('+33612345678')).toEqual([]);
  });

  it('is refused if it is malformed', async () => {
    expect(await story.call('GET', '/v1/onboardings?contact=ana')).toMatchObject({
      status: 400,
      body: { code: 'validation_failed', errors: [{ pointer: '/contact' }] },
    });
  });

  it('has only one live onboarding, whether in upper or lower case', async () => {
    const person = new Person(story);
    const { id } = (await person.start()).body;
    const shout = { contact: { type: 'email', value: person.email.toUpperCase() } };
    expect(await story.call('POST', '/v1/onboardings', { subject: shout })).toMatchObject({
      status: 409,
      body: { code: 'onboarding_live', onboardingId: id },
    });
    const raced = new Person(story);
    const answers = await Promise.all(Array.from({ length: 6 }, () => raced.start()));
    expect(answers.filter(({ status }) => status === 201 || status === 202)).toHaveLength(1);
  });

  it('is erased with its onboarding', async () => {
    const person = new Person(story);
    const { id } = (await person.start()).body;
    expect(await found(person.email)).toHaveLength(1);
    expect((await story.call('DELETE', `/v1/onboardings/${id}`)).status).toBe(204);
    expect(await found(person.email)).toEqual([]);
    const [row] = await story.sql<{ left: number }>(
      `SELECT num_nonnulls(sealed_contact, sealed_data_key, sealed_requests, data_key_id) AS left
       FROM onboardings WHERE id = $1`,
      [id],
    );
    expect(row).toEqual({ left: 0 });
  });
});
