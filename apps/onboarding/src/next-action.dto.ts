import { z } from 'zod';
import { instant } from './text.js';

const nullable = (description: string) => instant.nullable().meta({ description });
const lastMoment = nullable(
  'The last instant at which the command is accepted. Null means that no limit is known.',
);

export const nextAction = z
  .discriminatedUnion('type', [
    z
      .object({
        type: z.literal('wait'),
        until: nullable(
          'When the next try is due, or when the running call ends at the latest. It may end earlier: ' +
            'poll, or follow the events. Null while an operator must act first.',
        ),
      })
      .meta({ id: 'Wait' }),
    z.object({ type: z.literal('submit_otp'), before: lastMoment }).meta({ id: 'SubmitOtp' }),
    z
      .object({
        type: z.literal('resend_otp'),
        notBefore: nullable('When the caller may ask for a new code. Null means that it may ask now.'),
      })
      .meta({ id: 'AskForNewOtp' }),
    z
      .object({ type: z.literal('submit_authenticators'), before: lastMoment })
      .meta({ id: 'SubmitAuthenticators' }),
    z.object({ type: z.literal('resolve') }).meta({ id: 'ResolveOutcome' }),
    z.object({ type: z.literal('none') }).meta({ id: 'NothingToDo' }),
  ])
  .meta({ id: 'NextAction' });
