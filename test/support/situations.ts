import type { Story, Subject } from './story.js';
import { mayResend, runOut } from './time-travel.js';

export interface Brought {
  id: string;
  subject: Subject;
}

/** Longer than any test, so that the step keeps waiting for its retry. */
const MUCH_LATER_S = 60;

type Bring = (story: Story) => Promise<Brought>;

/** The next call gets 503 with Retry-After, and certainly has no effect. */
const throttle = (story: Story, route: string, { userId }: Subject) =>
  story.sandbox.control.addFault({ route, match: { userId }, status: 503, retryAfterS: MUCH_LATER_S });

/** The next call gets a server error, and may have taken effect. */
const breakDown = (story: Story, route: string, { userId }: Subject) =>
  story.sandbox.control.addFault({ route, match: { userId }, status: 500, retryAfterS: MUCH_LATER_S });

/** Each function brings a new onboarding into a live state and keeps it there, with or without a worker. */
export const SITUATIONS = {
  'otp_requested, waiting for its retry': async (story) => {
    const subject = story.newSubject();
    throttle(story, 'init-otp', subject);
    const { body } = await answered(202, story.start(subject));
    return { id: body.id, subject };
  },

  otp_sent: (story) => story.sent(),

  'otp_needed, after a resend that was refused': async (story) => {
    const { id, subject } = await story.sent();
    // A refused resend does not end a valid code, so let the code expire first.
    await mayResend(story, id);
    await runOut(story, id, 'code');
    story.sandbox.control.addFault({ route: 'init-otp', match: { userId: subject.userId }, status: 422 });
    await answered(422, story.resend(id));
    return { id, subject };
  },

  'otp_submitted, waiting for its retry': async (story) => {
    const { id, subject } = await story.sent();
    throttle(story, 'otp-auth', subject);
    await answered(202, story.verify(id, story.code(subject)));
    return { id, subject };
  },

  'otp_submitted, waiting for its retry, outcome unknown': async (story) => {
    const { id, subject } = await story.sent();
    breakDown(story, 'otp-auth', subject);
    await answered(202, story.verify(id, story.code(subject)));
    return { id, subject };
  },

  otp_verified: (story) => story.verified(),

  'authenticators_submitted, waiting for its retry': async (story) => {
    const { id, subject } = await story.verified();
    throttle(story, 'create-authenticators-otp', subject);
    await answered(202, story.register(id, [await story.passkey(id)]));
    return { id, subject };
  },

  'authenticators_submitted, waiting for its retry, outcome unknown': async (story) => {
    const { id, subject } = await story.verified();
    breakDown(story, 'create-authenticators-otp', subject);
    await answered(202, story.register(id, [await story.passkey(id)]));
    return { id, subject };
  },

  'outcome_unknown, after verify-otp': async (story) => {
    const { id, subject } = await story.sent();
    story.sandbox.control.addFault({ route: 'otp-auth', match: { userId: subject.userId }, cut: 'after' });
    await answered(409, story.verify(id, story.code(subject)));
    return { id, subject };
  },

  'outcome_unknown, after create-authenticators': async (story) => {
    const { id, subject } = await story.verified();
    const passkey = await story.passkey(id);
    // The session lasts long enough for one call, but not for a retry.
    const [spareMs, delayMs] = [1600, 1700];
    await runOut(story, id, 'session', Number(story.env['CALL_TIMEOUT_MS']) + spareMs);
    const { userId } = subject;
    story.sandbox.control.addFault({
      route: 'create-authenticators-otp',
      match: { userId },
      delayMs,
      cut: 'after',
    });
    await answered(409, story.register(id, [passkey]));
    return { id, subject };
  },
} as const satisfies Record<string, Bring>;

export type Situation = keyof typeof SITUATIONS;
export const SITUATION_NAMES = Object.keys(SITUATIONS) as Situation[];

/** The name of a situation begins with the onboarding's state. */
export const stateOf = (situation: Situation): string => situation.split(',', 1)[0]!;

export const isInDoubt = (situation: Situation): boolean => /doubt|unknown/.test(situation);

async function answered<A extends { status: number; body: unknown }>(
  status: number,
  call: Promise<A>,
): Promise<A> {
  const answer = await call;
  if (answer.status !== status) {
    throw new Error(`answered ${answer.status} and not ${status}: ${JSON.stringify(answer.body)}`);
  }
  return answer;
}
