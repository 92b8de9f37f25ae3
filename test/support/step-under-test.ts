import type { FaultSpec } from '../../apps/sandbox/src/control/fault.dto.js';
import type { JournalEntry } from '../../apps/sandbox/src/control/journal.js';
import type { OnboardingResource } from '../../apps/onboarding/src/onboarding.dto.js';
import { STEPS, type StepName } from '#libs/onboarding';
import type { Answer, Story, Subject, TimelineEvent } from './story.js';

const ROUTES = {
  'init-otp': 'init-otp',
  'verify-otp': 'otp-auth',
  'create-authenticators': 'create-authenticators-otp',
} as const satisfies Record<StepName, string>;

export { STEPS, type StepName };

export const DONE_STATE = {
  'init-otp': 'otp_sent',
  'verify-otp': 'otp_verified',
  'create-authenticators': 'completed',
} as const satisfies Record<StepName, string>;

/** The state while a call of the step is in flight or waits for its next try. */
export const WAITING_STATE = {
  'init-otp': 'otp_requested',
  'verify-otp': 'otp_submitted',
  'create-authenticators': 'authenticators_submitted',
} as const satisfies Record<StepName, string>;

export type Fault = Omit<FaultSpec, 'route' | 'match'>;

/** An onboarding just before a step. A test can make the calls of this step fail. */
export class StepUnderTest {
  /** Known once the onboarding has started. */
  id!: string;
  #callsBefore = 0;
  #seenSeq = 0;

  private constructor(
    private readonly story: Story,
    readonly step: StepName,
    readonly subject: Subject,
    private readonly request: { path: string; body: object },
  ) {}

  static async before(story: Story, step: StepName): Promise<StepUnderTest> {
    const subject = story.newSubject();
    const { accountId, userId } = subject;
    if (step === 'init-otp') {
      return new StepUnderTest(story, step, subject, {
        path: '/v1/onboardings',
        body: { subject: { accountId, userId } },
      });
    }
    if (step === 'verify-otp') {
      const { id } = await story.sent(subject);
      const request = { path: `/v1/onboardings/${id}/otp/verify`, body: { code: story.code(subject) } };
      return new StepUnderTest(story, step, subject, request).#of(id);
    }
    const { id } = await story.verified(subject);
    const request = {
      path: `/v1/onboardings/${id}/authenticators`,
      body: { authenticators: [await story.passkey(id)] },
    };
    return new StepUnderTest(story, step, subject, request).#of(id);
  }

  /** A resend also runs the step `init-otp`. */
  static async beforeResend(story: Story): Promise<StepUnderTest> {
    const { id, subject } = await story.sent();
    await story.cooledDown(id);
    const at = new StepUnderTest(story, 'init-otp', subject, {
      path: `/v1/onboardings/${id}/otp/resend`,
      body: {},
    }).#of(id);
    at.#callsBefore = at.journal().length;
    at.#seenSeq = (await story.events(id)).at(-1)!.seq;
    return at;
  }

  #of(id: string): this {
    this.id = id;
    return this;
  }

  /** Sets the faults of the step's next calls, in this order. */
  strike(...faults: Fault[]): this {
    for (const fault of faults) {
      this.story.sandbox.control.addFault({
        ...fault,
        route: ROUTES[this.step],
        match: { userId: this.subject.userId },
      });
    }
    return this;
  }

  /** @param at the URL of the replica that makes the first attempt. */
  async submit({ headers, at }: { headers?: Record<string, string>; at?: string } = {}): Promise<Answer> {
    const { path, body } = this.request;
    const answer = await this.story.call<Answer['body']>('POST', path, body, headers, at);
    this.id ??= answer.body.id ?? answer.body.onboardingId;
    return answer;
  }

  async findId(): Promise<string> {
    if (this.id) return this.id;
    const { body } = await this.story.call<{ items: { id: string }[] }>(
      'GET',
      `/v1/onboardings?userId=${this.subject.userId}`,
    );
    this.id = body.items[0]!.id;
    return this.id;
  }

  until(wanted: string | ((onboarding: OnboardingResource) => boolean), withinMs?: number) {
    return this.story.until(this.id, wanted, withinMs);
  }

  async events(): Promise<TimelineEvent[]> {
    return (await this.story.events(this.id)).filter(({ seq }) => seq > this.#seenSeq);
  }

  async eventsOf(type: string): Promise<TimelineEvent[]> {
    return (await this.events()).filter((event) => event.type === type);
  }

  /** @returns the class of each attempt of the step that has ended. */
  async attempts(): Promise<unknown[]> {
    return (await this.eventsOf('attempt_ended'))
      .filter(({ data }) => data['step'] === this.step)
      .map(({ data }) => data['class']);
  }

  /** @returns the step's requests at the sandbox. */
  journal(): JournalEntry[] {
    const { userId } = this.subject;
    return this.story.sandbox.control.requests({ userId, route: ROUTES[this.step] }).slice(this.#callsBefore);
  }

  get calls(): number {
    return this.journal().length;
  }
}
