import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { aCall } from '#libs/testing';
import type { FaultSpec } from '../../../apps/sandbox/src/control/fault.dto.js';
import {
  DOOR_NAMES,
  Doors,
  aPasskey,
  deviceRequest,
  type Door,
  type DoorName,
  type Passkey,
  type DoorUser,
  type StepOfDoor,
} from './fixtures/doors.js';
import { endOf } from './fixtures/end-of.js';
import type { FailureClass } from './port/upstream-error.js';
import type { Call, Grant, SentOtp } from './port/upstream-provider.js';
import { PROVIDERS } from './providers.js';

let doors: Doors;
beforeAll(async () => {
  doors = await Doors.open();
});
afterEach(() => doors.reset());
afterAll(() => doors.close());

const STEPS: readonly StepOfDoor[] = ['init', 'verify', 'create'];

/** A repeated call gets the same data of the user's device. */
class Story {
  readonly passkeys: Passkey[];
  sent!: SentOtp;
  grant!: Grant;
  readonly #submitted = new WeakMap<Call['kept'], unknown>();

  constructor(
    readonly door: Door,
    readonly who: DoorUser = door.newUser(),
    passkeys: Passkey[] = [aPasskey()],
  ) {
    this.passkeys = passkeys;
  }

  async init(call: Call = aCall()): Promise<void> {
    const { provider } = this.door;
    this.sent = await provider.initOtp(
      call,
      this.who.subject,
      provider.parseOtpChoice(undefined, this.who.subject).choice,
    );
  }

  async verify(call: Call = aCall(), code = doors.codeOf(this.sent)): Promise<void> {
    const proof = await this.#once(call, () => this.door.proof(this.who, this.sent, code));
    this.grant = await this.door.provider.verifyOtp(call, this.who.subject, this.sent, proof);
  }

  async create(call: Call = aCall()): Promise<string[] | null> {
    const device = await this.#once(call, () => deviceRequest(this.who, this.grant, this.passkeys));
    const authenticators = this.passkeys.map(({ authenticator }) => authenticator);
    return this.door.provider.createAuthenticators(
      call,
      this.who.subject,
      this.grant,
      authenticators,
      device,
    );
  }

  async #once<T>({ kept }: Call, make: () => Promise<T>): Promise<T> {
    if (!this.#submitted.has(kept)) this.#submitted.set(kept, await make());
    return this.#submitted.get(kept) as T;
  }

  async upTo(step: StepOfDoor): Promise<this> {
    for (const earlier of STEPS.slice(0, STEPS.indexOf(step))) await this[earlier]();
    return this;
  }
}

const effects = (route: string) =>
  doors.sandbox.control.requests({ route }).filter(({ effect }) => effect !== null);
const wrong = (code: string) => (code === '000000' ? '000001' : '000000');

it('these tests run for each kind of provider', () => {
  const kinds = new Set(DOOR_NAMES.map((name) => doors.door(name).provider.kind));
  expect(PROVIDERS.map(({ kind }) => kind).filter((kind) => !kinds.has(kind))).toEqual([]);
});

describe.each(DOOR_NAMES)('the client of the provider %s', (name: DoorName) => {
  let door: Door;
  beforeAll(() => {
    door = doors.door(name);
  });

  it('leads a user from the code to the passkeys', async () => {
    const story = new Story(door, door.newUser(), [aPasskey(), aPasskey()]);
    await story.upTo('create');
    expect(story.grant.expiresAt.getTime()).toBeGreaterThan(Date.now() + 60_000);
    const ids = await story.create();
    const stored = doors.sandbox.control.authenticators();
    expect(ids).toEqual(stored.map(({ authenticatorId }) => authenticatorId));
    expect(stored.map(({ credentialId }) => credentialId)).toEqual(
      story.passkeys.map(({ authenticator }) => authenticator.credentialId),
    );
  });

  it('reports that a probe succeeds, or why it fails', async () => {
    await door.provider.probe(aCall());
    for (const [status, failure] of [
      [401, 'misconfigured'],
      [503, 'unavailable'],
    ] as const) {
      doors.sandbox.control.addFault({ route: door.probeRoute, status });
      expect(await endOf(door.provider.probe(aCall()))).toMatchObject({ failure });
    }
  });

  it('reports a wrong code, and a locked code after three wrong codes', async () => {
    const story = await new Story(door).upTo('verify');
    const code = doors.codeOf(story.sent);
    const reasons: unknown[] = [];
    for (let tries = 0; tries < 4; tries += 1) {
      reasons.push(await endOf(story.verify(aCall(), wrong(code))));
    }
    const rejected = (reason: string) => expect.objectContaining({ failure: 'rejected', reason });
    expect(reasons).toEqual([
      ...Array.from({ length: 3 }, () => rejected('otp_invalid')),
      rejected('otp_locked'),
    ]);
    expect(await endOf(story.verify(aCall(), code))).toMatchObject({ reason: 'otp_locked' });
  });

  it('reports an expired code', async () => {
    const story = await new Story(door).upTo('verify');
    doors.sandbox.control.advanceClock(10 * 60_000, true);
    expect(await endOf(story.verify())).toMatchObject({ failure: 'rejected', reason: 'otp_expired' });
  });

  it('reports an unknown subject before a session opens', async () => {
    const story = new Story(door, door.newUser(false));
    let end = await endOf(story.init());
    if (end === 'well') end = await endOf(story.verify());
    // If the device logs in by itself, the unknown subject shows only at this login.
    if (end === 'well') end = await endOf(story.create());
    expect(end).toMatchObject({ failure: 'rejected', reason: 'subject_not_found' });
  });

  it('reports a refused attestation, and then accepts another passkey', async () => {
    const story = await new Story(door, door.newUser(), [aPasskey({ type: 'webauthn.get' })]).upTo('create');
    expect(await endOf(story.create())).toMatchObject({ failure: 'rejected', reason: 'attestation_invalid' });
    story.passkeys[0] = aPasskey();
    expect(await endOf(story.create())).toBe('well');
  });

  it('reports a passkey that belongs to another user', async () => {
    const first = await new Story(door).upTo('create');
    await first.create();
    const second = await new Story(door, door.newUser(), first.passkeys).upTo('create');
    expect(await endOf(second.create())).toMatchObject({
      failure: 'rejected',
      reason: 'credential_already_registered',
    });
  });

  it('reports that the provider refuses an eleventh passkey', async () => {
    const story = await new Story(
      door,
      door.newUser(),
      Array.from({ length: 10 }, () => aPasskey()),
    ).upTo('create');
    await story.create();
    story.passkeys.splice(0, 10, aPasskey());
    expect(await endOf(story.create())).toMatchObject({ failure: 'rejected', reason: 'authenticator_limit' });
  });

  it('reports an expired session', async () => {
    const story = await new Story(door).upTo('create');
    doors.sandbox.control.advanceClock(25 * 60 * 60_000, true);
    expect(await endOf(story.create())).toMatchObject({ failure: 'rejected', reason: 'session_expired' });
  });

  it('sends nothing if beforeSend throws', async () => {
    const beforeSend = () => {
      throw new Error('too old');
    };
    for (const step of STEPS) {
      const story = await new Story(door).upTo(step);
      const seen = doors.sandbox.control.requests().length;
      expect(await endOf(story[step](aCall({ beforeSend })))).toMatchObject({
        failure: 'not_sent',
        evidence: { bytesSent: false },
      });
      expect(doors.sandbox.control.requests()).toHaveLength(seen);
    }
  });

  /** For each fault: the failure that it causes, and `done` if the request took effect. */
  const faults: [string, Omit<FaultSpec, 'route'>, FailureClass, { done?: true; retryAfterMs?: number }?][] =
    [
      ['a 500 before the effect', { status: 500 }, 'unavailable'],
      ['a 500 after the effect', { status: 500, afterEffect: true }, 'unavailable', { done: true }],
      ['a connection cut before the effect', { cut: 'before' }, 'no_answer'],
      ['a connection cut after the effect', { cut: 'after' }, 'no_answer', { done: true }],
      ['half an answer', { cut: 'mid-response' }, 'no_answer', { done: true }],
      [
        'an answer that is not JSON',
        { status: 200, body: 'fine', afterEffect: true },
        'no_answer',
        { done: true },
      ],
      [
        'an answer of another shape',
        { status: 200, body: { yes: true }, afterEffect: true },
        'no_answer',
        { done: true },
      ],
      ['an answer that is too large', { status: 200, body: 'x'.repeat(300_000) }, 'no_answer'],
      // The delay outlasts all tests, because a reset of the sandbox does not cancel the late answer.
      ['an answer that is late', { delayMs: 600_000 }, 'no_answer'],
      ['a 429', { status: 429 }, 'throttled'],
      ['a 429 with Retry-After', { status: 429, retryAfterS: 7 }, 'throttled', { retryAfterMs: 7_000 }],
      ['a 503 with Retry-After', { status: 503, retryAfterS: 7 }, 'throttled', { retryAfterMs: 7_000 }],
      ['a proxy’s 502', { status: 502, body: '<html>', contentType: 'text/html' }, 'unavailable'],
      ['a 408', { status: 408 }, 'no_answer'],
      ['a redirect', { status: 302 }, 'misconfigured'],
      ['a 400 with a new text', { status: 400, body: { message: 'new', error: 'new' } }, 'rejected_unclear'],
      ['a 418', { status: 418 }, 'rejected_unclear'],
    ];
  const cases = STEPS.flatMap((step) =>
    faults.map(([what, fault, failure, more = {}]) => ({ step, what, fault, failure, ...more })),
  );

  it.each(cases)(
    'classifies $what at $step',
    async ({ step, fault, failure, done = false, retryAfterMs }) => {
      const story = await new Story(door).upTo(step);
      const route = door.routes[step];
      doors.sandbox.control.addFault({ route, ...fault });
      const call = aCall(fault.delayMs ? { timeoutMs: 1_500 } : {});
      const end = await endOf(story[step](call));

      const isRepeatable = failure === 'unavailable' || failure === 'no_answer' || failure === 'throttled';
      if (done && step === 'create' && door.readsBack) {
        expect(end).toBe('well');
      } else {
        // The device's login was sent before, so the failure must not say that nothing was sent.
        const loggedIn = step === 'create' && door.provider.custody === 'client' && failure === 'throttled';
        expect(end).toMatchObject({
          failure: loggedIn ? 'unavailable' : failure,
          evidence: { bytesSent: true },
          retryAfterMs,
        });
      }
      expect(effects(route)).toHaveLength(done ? 1 : 0);
      if (!isRepeatable || !door.replayable.includes(step)) return;

      // A second try with the same kept texts sends the same bytes. The two tries have one effect.
      const bytes = doors.http.bodies(route);
      expect(await endOf(story[step](aCall({ kept: call.kept })))).toBe('well');
      expect(effects(route)).toHaveLength(1);
      const repeats = doors.http.bodies(route).slice(bytes.length);
      expect(repeats).toEqual([bytes[0]]);
      if (step === 'create') expect(doors.sandbox.control.authenticators()).toHaveLength(1);
    },
  );

  it.each(['a text that is new', 'invalid verification token', 'verification token already used'])(
    'does not treat the refusal "%s" of a repeated login as proof that the first try failed',
    async (message) => {
      if (door.provider.custody !== 'client') return;
      const story = await new Story(door).upTo('create');
      const { kept } = aCall();
      const login = door.readsBack ? 'otp_login' : 'otp_login_v2';
      const refuse = () =>
        doors.sandbox.control.addFault({ route: login, status: 400, body: { code: 3, message } });
      doors.sandbox.control.addFault({ route: 'create_authenticators', cut: 'after' });
      doors.sandbox.control.addFault({ route: 'get_authenticators', status: 503, times: 2 });
      expect(await endOf(story.create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });

      // The session has ended, and the service cannot look up whether the first try succeeded.
      refuse();
      doors.sandbox.control.addFault({ route: 'create_authenticators', status: 401 });
      expect(await endOf(story.create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });
      refuse();
      doors.sandbox.control.addFault({ route: 'create_authenticators', status: 400 });
      expect(await endOf(story.create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });

      // The session is still open, or the service can look up the passkeys.
      refuse();
      if (door.readsBack) doors.sandbox.control.addFault({ route: 'create_authenticators', status: 401 });
      expect(await story.create(aCall({ kept }))).toEqual(
        doors.sandbox.control.authenticators().map(({ authenticatorId }) => authenticatorId),
      );
      expect(effects('create_authenticators')).toHaveLength(1);
    },
  );

  it('refuses another user’s session and registers nothing, if the device holds the key', async () => {
    if (door.provider.custody !== 'client') return;
    const story = await new Story(door).upTo('create');
    const { userId } = story.grant as Grant & { type: 'device-key' };
    story.grant = { ...story.grant, userId: randomUUID() } as Grant;
    const end = await endOf(story.create());
    expect(end).toMatchObject({ failure: 'rejected', reason: 'subject_not_found' });
    expect(end).toHaveProperty('message', expect.stringContaining('another user'));
    expect(doors.http.bodies('create_authenticators')).toEqual([]);
    expect(doors.sandbox.control.authenticators(userId)).toEqual([]);
  });

  it.each(STEPS)('classifies a 401 at %s', async (step) => {
    const story = await new Story(door).upTo(step);
    doors.sandbox.control.addFault({ route: door.routes[step], status: 401 });
    const bySession = step === 'create' && door.name !== 'byzantine';
    expect(await endOf(story[step]())).toMatchObject(
      bySession ? { failure: 'rejected', reason: 'session_expired' } : { failure: 'misconfigured' },
    );
  });
});
