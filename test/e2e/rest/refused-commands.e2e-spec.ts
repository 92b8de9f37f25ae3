import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPasskey } from '../../../tools/passkey.js';
import { SITUATIONS, type Brought } from '../../support/situations.js';
import { ORIGIN, RP_ID, Story } from '../../support/story.js';
import { runOut } from '../../support/time-travel.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin({ worker: false });
});
afterAll(() => story.end());

/** Valid commands, so that only the onboarding's state can be a reason to refuse them. */
const COMMANDS = {
  verify: (id: string) => story.verify(id, '123456'),
  resend: (id: string) => story.resend(id),
  options: (id: string) =>
    story.call('POST', `/v1/onboardings/${id}/authenticators/options`, { userName: 'ana@example.com' }),
  register: (id: string) => {
    const challenge = randomBytes(32).toString('base64url');
    const credential = createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge });
    return story.register(id, [{ authenticatorName: 'phone', credential }]);
  },
  resolve: (id: string) => story.resolve(id, 'done'),
  retry: (id: string) => story.call('POST', `/v1/onboardings/${id}/retry`, { reason: 'now' }),
  cancel: (id: string) => story.cancel(id),
} as const;
type Command = keyof typeof COMMANDS;
type Refused = Partial<Record<Command, string>>;

const all = (code: string) => ({ verify: code, resend: code, options: code, register: code });
const NOTHING_LOST = { resolve: '409 illegal_state' };
const UNDER_WAY: Refused = { ...all('409 step_in_progress'), ...NOTHING_LOST };
const NO_STEP: Refused = { ...NOTHING_LOST, retry: '409 illegal_state' };
const NO_SESSION: Refused = { ...NO_STEP, options: '409 illegal_state', register: '409 illegal_state' };
const { resend: _allowed, ...LOST } = { ...all('409 outcome_unknown'), retry: '409 illegal_state' };
const ENDED: Refused = {
  ...all('410 onboarding_ended'),
  resolve: '410 onboarding_ended',
  retry: '410 onboarding_ended',
  cancel: '410 onboarding_ended',
};

/** The refused commands in each state, with their errors. All other commands are accepted. */
const TABLE: Record<string, { bring: (of: Story) => Promise<Brought>; refused: Refused }> = {
  ...Object.fromEntries(
    Object.entries({
      'otp_requested, waiting for its retry': UNDER_WAY,
      otp_sent: NO_SESSION,
      'otp_needed, after a resend that was refused': { ...NO_SESSION, verify: '409 illegal_state' },
      'otp_submitted, waiting for its retry': UNDER_WAY,
      'otp_submitted, waiting for its retry, outcome unknown': UNDER_WAY,
      otp_verified: { ...NO_STEP, verify: '409 illegal_state', resend: '409 illegal_state' },
      'authenticators_submitted, waiting for its retry': UNDER_WAY,
      'authenticators_submitted, waiting for its retry, outcome unknown': UNDER_WAY,
      // It cannot be resolved as done, because there is no session.
      'outcome_unknown, after verify-otp': { ...LOST, resolve: '409 outcome_unknown' },
      'outcome_unknown, after create-authenticators': LOST,
    } satisfies Record<keyof typeof SITUATIONS, Refused>).map(([name, refused]) => [
      name,
      { bring: SITUATIONS[name as keyof typeof SITUATIONS], refused },
    ]),
  ),
  'otp_needed, after its code expired': {
    bring: async () => {
      const brought = await story.sent();
      await runOut(story, brought.id, 'code');
      await story.verify(brought.id, '123456'); // this command writes the expiry
      return brought;
    },
    refused: {
      ...NO_STEP,
      verify: '410 otp_expired',
      options: '410 otp_expired',
      register: '410 otp_expired',
    },
  },
  'otp_needed, after its session expired': {
    bring: async () => {
      const brought = await story.verified();
      await runOut(story, brought.id, 'session');
      await story.verify(brought.id, '123456');
      return brought;
    },
    refused: {
      ...NO_STEP,
      verify: '410 session_expired',
      options: '410 session_expired',
      register: '410 session_expired',
    },
  },
  completed: {
    bring: async () => {
      const brought = await story.verified();
      await story.register(brought.id, [await story.passkey(brought.id)]);
      return brought;
    },
    refused: ENDED,
  },
  cancelled: {
    bring: async () => {
      const brought = await story.sent();
      await story.cancel(brought.id);
      return brought;
    },
    refused: ENDED,
  },
};

describe('a command that the state does not permit', () => {
  it.each(Object.entries(TABLE))(
    'is refused with the documented error code, and does nothing: %s',
    async (name, row) => {
      const { id, subject } = await row.bring(story);
      const before = (await story.get(id)).body;
      expect(before.state).toBe(name.split(',', 1)[0]);
      const calls = story.journal(subject).length;
      const refused: Refused = {};
      for (const command of Object.keys(row.refused) as Command[]) {
        const { status, body } = await COMMANDS[command](id);
        refused[command] = `${status} ${body.code}`;
        expect([command, body.state, body.nextAction]).toEqual([command, before.state, before.nextAction]);
        // Only a running step is a reason to try again later.
        expect([command, body.retryable]).toEqual([command, body.code === 'step_in_progress']);
      }
      expect(refused).toEqual(row.refused);
      expect((await story.get(id)).body).toEqual(before);
      expect(story.journal(subject)).toHaveLength(calls);
    },
  );
});
