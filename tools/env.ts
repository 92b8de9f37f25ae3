import { COMMANDS } from '#launcher/commands';
import { flagsOrExit } from '#launcher/flags';
import { Plain, say } from './console.js';
import { servingHere } from './running.js';

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * Prints the addresses of this folder's `npm start` as shell assignments. After an error, standard output is
 * empty, so that `eval` changes no variable.
 *
 * @throws Plain if no `npm start` serves in this folder
 */
export function printEnv(args: string[]): void {
  const { json } = flagsOrExit(COMMANDS.env, args);
  const addresses = servingHere()?.addresses;
  if (!addresses)
    throw new Plain('npm start does not serve in this folder. Start it, and try again when it serves.');
  if (json) return say(JSON.stringify(addresses, null, 2));
  for (const [name, value] of Object.entries(addresses)) say(`export ${name}=${quoted(value)}`);
}
