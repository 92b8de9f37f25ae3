import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Plain } from './console.js';
import { createPasskey } from './passkey.js';

const STEP_MS = 60_000;
const POLL_MS = 100;

export interface WalkOptions {
  serviceUrl: string;
  sandboxUrl: string;
  apiKey: string;
  integration: string;
  rpId: string;
  origin: string;
  print(line: string): void;
  /** Whether the intended service has made the onboarding. Missing if this cannot be checked. */
  isOurs?(onboardingId: string): Promise<boolean>;
}

interface Onboarding {
  id: string;
  state: string;
  nextAction: { type: string };
  lastResult: { code: string; detail?: string } | null;
}

interface TimelineEvent {
  seq: number;
  type: string;
  at: string;
  data: Record<string, unknown> | null;
}

export interface Walked {
  onboardingId: string;
  /** As `POST /v1/onboardings` takes it. */
  subject: Record<string, unknown>;
  email: string;
}

/**
 * Takes a new subject of the sandbox through all three steps, over the REST interface alone. The code comes
 * from the sandbox's mailbox, and the passkey from software. Prints the timeline while it grows.
 *
 * @throws Plain if a step does not reach its state
 */
export async function walkOnboarding(options: WalkOptions): Promise<Walked> {
  const email = `ana.${randomBytes(3).toString('hex')}@example.com`;
  const service = new Caller(options.serviceUrl, { authorization: `Bearer ${options.apiKey}` });
  const sandbox = new Caller(options.sandboxUrl, {});
  const subject = await newSubject(sandbox, options.integration, email);

  const { id } = await service.post<Onboarding>('/v1/onboardings', {
    integration: options.integration,
    subject,
  });
  if (options.isOurs && !(await options.isOurs(id))) {
    throw new Plain(
      `${options.serviceUrl} is not the service of this folder: ` +
        'its onboarding is not in this folder’s database.',
    );
  }
  const path = `/v1/onboardings/${id}`;
  const timeline = new Timeline(service, path, options.print);
  const reach = (state: string) => timeline.untilState(state);

  await reach('otp_sent');
  const [mail] = await sandbox.get<Mail[]>(`/_sandbox/mailbox?email=${encodeURIComponent(email)}`);
  if (!mail) throw new Plain(`The sandbox sent no mail to ${email}, but the onboarding is otp_sent.`);
  options.print(`  … the user reads the code in the mail`);

  await timeline.during(service.post(`${path}/otp/verify`, { code: mail.code }));
  await reach('otp_verified');

  const creation = await service.post<CreationOptions>(`${path}/authenticators/options`, { userName: email });
  const credential = createPasskey({
    rpId: options.rpId,
    origin: options.origin,
    challenge: creation.challenge,
  });
  options.print(`  … the user’s device makes a passkey`);
  const authenticators = [{ authenticatorName: 'Self check', credential }];
  await timeline.during(service.post(`${path}/authenticators`, { authenticators }));
  await reach('completed');
  return { onboardingId: id, subject, email };
}

/** @returns the subject for the start of an onboarding */
async function newSubject(
  sandbox: Caller,
  integration: string,
  email: string,
): Promise<Record<string, unknown>> {
  if (integration.startsWith('turnkey')) {
    // Turnkey finds the user's sub-organization by the verified address.
    await sandbox.post('/_sandbox/turnkey/subjects', { contact: email });
    return { contact: { type: 'email', value: email } };
  }
  const subject = { accountId: randomUUID(), userId: randomUUID() };
  await sandbox.post('/_sandbox/subjects', { ...subject, email });
  return subject;
}

interface Mail {
  code: string;
}

interface CreationOptions {
  challenge: string;
}

class Caller {
  constructor(
    private readonly base: string,
    private readonly headers: Record<string, string>,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.send<T>('GET', path, undefined);
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.send<T>('POST', path, body);
  }

  private async send<T>(method: string, path: string, body: unknown): Promise<T> {
    const response = await fetch(this.base + path, {
      method,
      headers: { ...this.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(STEP_MS),
    }).catch((error: unknown) => {
      const cause = error instanceof Error ? String(error.cause ?? error.message) : String(error);
      throw new Plain(`${method} ${this.base}${path}: no answer (${cause})`);
    });
    const text = await response.text();
    if (!response.ok)
      throw new Plain(`${method} ${path} was answered ${response.status}: ${text.slice(0, 500)}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}

/** Prints each event of an onboarding once. */
class Timeline {
  private seen = 0;

  constructor(
    private readonly service: Caller,
    private readonly path: string,
    private readonly print: (line: string) => void,
  ) {}

  /** Prints new events while the request runs, and after its answer. */
  async during<T>(request: Promise<T>): Promise<T> {
    let answered = false;
    const end = request.then(
      () => (answered = true),
      () => (answered = true),
    );
    while (!answered) {
      await Promise.race([end, wait(POLL_MS)]);
      await this.show();
    }
    return request;
  }

  /** Waits for a state, also during retries. @throws Plain if the onboarding stops in another state. */
  async untilState(state: string): Promise<void> {
    for (const endAt = Date.now() + STEP_MS; Date.now() < endAt; await wait(POLL_MS)) {
      const onboarding = await this.service.get<Onboarding>(this.path);
      await this.show();
      if (onboarding.state === state) return;
      if (onboarding.nextAction.type === 'wait') continue;
      const { lastResult } = onboarding;
      const why = lastResult ? `: ${lastResult.code} ${lastResult.detail ?? ''}` : '';
      throw new Plain(`The onboarding is ${onboarding.state} instead of ${state}${why}`);
    }
    throw new Plain(`The onboarding did not become ${state} within ${STEP_MS / 1_000} s.`);
  }

  private async show(): Promise<void> {
    const { items } = await this.service.get<{ items: TimelineEvent[] }>(
      `${this.path}/events?after=${this.seen}`,
    );
    for (const { seq, type, at, data } of items) {
      this.seen = seq;
      this.print(`  ${String(seq).padStart(3)}  ${at}  ${type.padEnd(26)} ${summary(data)}`.trimEnd());
    }
  }
}

function summary(data: Record<string, unknown> | null): string {
  return (
    Object.entries(data ?? {})
      // Fingerprints only serve to compare attempts.
      .filter(([name, value]) => name !== 'fingerprint' && value !== null && typeof value !== 'object')
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ')
  );
}
