import { randomUUID } from 'node:crypto';
import type { SandboxControl } from '../../../apps/sandbox/src/control/sandbox-control.js';
import { createPasskey, type PasskeyOptions } from '../../../tools/passkey.js';
import type { SeededRandom } from './seeded-random.js';
import { SETTINGS } from './settings.js';

export interface RandomCall {
  method: 'GET' | 'POST';
  /** For example `/v1/onboardings/{id}`. */
  route: string;
  path: string;
  headers: Record<string, string>;
  body?: unknown;
}

/** A user, with the id, version and challenge of the latest onboarding. */
export interface Someone {
  subject: { accountId: string; userId: string; email: string };
  id: string | null;
  version: number;
  challenge: string | null;
}

const ROOT = '/v1/onboardings';

const OPERATIONS = {
  start: 9,
  'start badly': 2,
  get: 6,
  events: 4,
  list: 2,
  'verify right': 12,
  'verify wrong': 5,
  'verify garbage': 2,
  resend: 8,
  options: 8,
  register: 12,
  'register badly': 4,
  cancel: 2,
  resolve: 6,
  retry: 5,
} as const;

export class RandomCalls {
  readonly #random: SeededRandom;
  readonly #sandbox: SandboxControl;
  readonly #people: Someone[];
  readonly #keys: string[] = [];
  readonly #run: string;
  #made = 0;

  constructor(random: SeededRandom, sandbox: SandboxControl, people: number, run: string) {
    this.#random = random;
    this.#sandbox = sandbox;
    this.#run = run;
    this.#people = Array.from({ length: people }, () => this.#newcomer());
  }

  next(): { someone: Someone; call: RandomCall } {
    this.#made += 1;
    const someone = this.#random.pick(this.#people);
    const operation = someone.id === null ? 'start' : this.#random.weighted(OPERATIONS);
    const call = this.#make(operation, someone);
    if (call.method === 'POST') Object.assign(call.headers, this.#terms(someone));
    return { someone, call };
  }

  /** Replaces a user who may request or try no more codes. */
  replace(someone: Someone): void {
    Object.assign(someone, this.#newcomer());
  }

  /** Keeps the members of a successful answer that later calls need. */
  learn(someone: Someone, route: string, answer: Record<string, unknown>): void {
    if (typeof answer['challenge'] === 'string') someone.challenge = answer['challenge'];
    if (typeof answer['version'] !== 'number') return;
    const { userId } = answer['subject'] as Someone['subject'];
    if (userId !== someone.subject.userId) return;
    if (route === ROOT) someone.id = String(answer['id']);
    someone.version = answer['version'];
  }

  #make(operation: keyof typeof OPERATIONS, someone: Someone): RandomCall {
    const random = this.#random;
    const id = this.#idOf(someone);
    const mine = `${this.#run}${this.#made}`;
    const post = (route: string, body?: unknown): RandomCall => ({
      method: 'POST',
      route: `${ROOT}${route}`,
      path: `${ROOT}${route.replace('{id}', id)}`,
      headers: {},
      body,
    });
    const get = (route: string, query = ''): RandomCall => ({
      method: 'GET',
      route: `${ROOT}${route}`,
      path: `${ROOT}${route.replace('{id}', id)}${query}`,
      headers: {},
    });
    switch (operation) {
      case 'start':
        return post('', this.#start(someone));
      case 'start badly':
        return post(
          '',
          random.pick([
            {},
            { subject: {} },
            { subject: 7 },
            { ...this.#start(someone), more: 1 },
            'text',
            null,
          ]),
        );
      case 'get':
        return get('/{id}');
      case 'events':
        return get('/{id}/events', random.pick(['', '?after=3', '?limit=2', '?after=x', '?limit=0']));
      case 'list':
        return get(
          '',
          random.pick([
            '',
            '?limit=3',
            '?state=otp_sent&limit=5',
            '?state=nowhere',
            '?cursor=zzz',
            '?limit=2&limit=3',
          ]),
        );
      case 'verify right':
        return post('/{id}/otp/verify', { code: this.#code(someone) });
      case 'verify wrong':
        return post('/{id}/otp/verify', { code: String(random.int(0, 999_999)).padStart(6, '0') });
      case 'verify garbage':
        return post(
          '/{id}/otp/verify',
          random.pick([{}, { code: 7 }, { code: '1' }, { code: 'x'.repeat(300) }, [], null]),
        );
      case 'resend':
        return post('/{id}/otp/resend', random.pick([{}, { reason: mine }, { reason: '' }, undefined]));
      case 'options':
        return post(
          '/{id}/authenticators/options',
          random.pick([{ userName: 'ana' }, { userName: 'ana' }, {}]),
        );
      case 'register':
        return post('/{id}/authenticators', this.#passkeys(someone, {}));
      case 'register badly':
        return post('/{id}/authenticators', this.#badPasskeys(someone));
      case 'cancel':
        return post('/{id}/cancel', random.pick([{}, { reason: mine }, undefined]));
      case 'resolve':
        return post(
          '/{id}/resolve',
          random.pick([
            { outcome: 'done', reason: mine },
            { outcome: 'not_done', reason: mine },
            { outcome: 'perhaps' },
          ]),
        );
      case 'retry':
        return post('/{id}/retry', random.pick([{ reason: mine }, { reason: mine }, {}]));
    }
  }

  #idOf({ id }: Someone): string {
    const random = this.#random;
    if (random.chance(0.96) && id) return id;
    const another = random.pick(this.#people).id;
    return random.pick([
      another ?? randomUUID(),
      randomUUID(),
      'not-an-id',
      '%00',
      (id ?? '').toUpperCase() || 'x',
    ]);
  }

  #start({ subject }: Someone): object {
    const { accountId, userId } = subject;
    const random = this.#random;
    const unknown = random.chance(0.02);
    return {
      subject: { accountId, userId: unknown ? randomUUID() : userId },
      externalRef: `${this.#run}${this.#made}`,
      ...(random.chance(0.4) && { supersede: true }),
    };
  }

  #code({ subject }: Someone): string {
    return this.#sandbox.mails({ email: subject.email })[0]?.code ?? '123456';
  }

  #passkeys({ challenge }: Someone, lies: Partial<PasskeyOptions>): object {
    const credential = createPasskey({
      rpId: SETTINGS.INTEGRATION_BYZANTINE_RP_ID,
      origin: SETTINGS.INTEGRATION_BYZANTINE_ORIGINS,
      challenge: challenge ?? 'bm9uZQ',
      ...lies,
    });
    return { authenticators: [{ authenticatorName: 'phone', credential }] };
  }

  #badPasskeys(someone: Someone): unknown {
    return this.#random.pick([
      () => this.#passkeys(someone, { origin: 'https://evil.example.com' }),
      () => this.#passkeys(someone, { rpId: 'evil.example.com' }),
      () => this.#passkeys(someone, { userVerified: false }),
      () => this.#passkeys(someone, { challenge: 'c29tZSBvdGhlciBjaGFsbGVuZ2U' }),
      () => this.#passkeys(someone, { alg: -8 }),
      () => ({ authenticators: [] }),
      () => ({ authenticators: [{ authenticatorName: '' }] }),
      () => ({ authenticators: 'none' }),
    ])();
  }

  #terms({ version }: Someone): Record<string, string> {
    const random = this.#random;
    const headers: Record<string, string> = {};
    if (random.chance(0.99)) {
      headers['prefer'] = random.pick(['wait=0', 'respond-async', 'wait=1']);
      if (random.chance(0.02)) headers['prefer'] = random.pick(['wait=99', 'wait=soon', 'handling=lenient']);
    }
    if (random.chance(0.2)) {
      headers['if-match'] = random.pick([`"${version}"`, `"${random.int(1, 20)}"`, '*']);
      if (random.chance(0.1)) headers['if-match'] = random.pick(['W/"1"', 'x', '""']);
    }
    if (random.chance(0.4)) {
      const key =
        random.chance(0.6) || this.#keys.length === 0
          ? `${this.#run}key-${this.#made}`
          : random.pick(this.#keys);
      headers['idempotency-key'] = random.chance(0.02) ? 'x'.repeat(256) : key;
      this.#keys.push(key);
      if (this.#keys.length > 50) this.#keys.shift();
    }
    return headers;
  }

  #newcomer(): Someone {
    const subject = { accountId: randomUUID(), userId: randomUUID() };
    const email = `${subject.userId}@example.com`;
    this.#sandbox.addSubject({ ...subject, email });
    return { subject: { ...subject, email }, id: null, version: 1, challenge: null };
  }
}
