import { LINK_LIFE_MS, ROLES, type Role } from '#libs/operators';
import { Misuse, type Group } from './command.js';
import { required, text } from './options.js';

export const CONSOLE: Group = {
  link: {
    usage: '--name <name> --role viewer|operator|admin',
    summary: `Makes a link that logs in to the console, once and within ${LINK_LIFE_MS / 60_000} minutes.`,
    options: { name: text, role: text },
    positionals: 0,
    plan({ values, actor }) {
      const link = { name: required(values, 'name'), role: roleOf(required(values, 'role')) };
      return async (store) => {
        const url = await store.loginLink(link, actor);
        return { lines: [url], json: { url } };
      };
    },
  },
};

function roleOf(word: string): Role {
  const role = ROLES.find((each) => each === word);
  if (role) return role;
  throw new Misuse(`--role takes one of ${ROLES.join(', ')}.`);
}
