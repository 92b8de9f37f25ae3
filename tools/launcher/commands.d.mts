/** Types of commands.mjs. */
import type { Command } from './flags.mjs';

type Switch = { is: 'switch'; about: string };
type Text = { is: 'text'; about: string };
type Choice = { is: 'choice'; of: readonly string[]; about: string };
type Defaulted<F> = F & { default: string };

export const COMMANDS: {
  start: Command<{ once: Switch; integration: Defaulted<Choice> }>;
  reset: Command<Record<never, never>>;
  env: Command<{ json: Switch }>;
  'passkey-cli': Command<{
    options: Text;
    origin: Text;
    name: Text;
    alg: Choice;
    attestation: Defaulted<Choice>;
  }>;
  'self-check': Command<{
    service: Defaulted<Text>;
    sandbox: Defaulted<Text>;
    integration: Defaulted<Text>;
    'rp-id': Defaulted<Text>;
    origin: Defaulted<Text>;
  }>;
};
