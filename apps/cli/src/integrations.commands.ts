import type { Operations } from '#libs/onboarding';
import type { Command, Group } from './command.js';
import { operationAnswer } from './operations.commands.js';
import { operatorOf } from './operator.js';
import { required, text } from './options.js';

const command = (
  summary: string,
  verb: (operations: Operations) => Operations['pauseIntegration'],
): Command => ({
  usage: '<name> --reason <text>',
  summary,
  options: { reason: text },
  positionals: 1,
  plan(call) {
    const [name = ''] = call.positionals;
    const reason = required(call.values, 'reason');
    return async ({ operations }) =>
      operationAnswer(await verb(operations).call(operations, name, reason, operatorOf(call)));
  },
});

export const INTEGRATIONS: Group = {
  pause: command(
    'Stops all new calls to an integration, and parks its onboardings.',
    (each) => each.pauseIntegration,
  ),
  resume: command(
    'Ends a pause. The worker releases the onboardings that the pause has parked.',
    (each) => each.resumeIntegration,
  ),
};
