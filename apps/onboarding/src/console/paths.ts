/** The paths of the console. */
export const PATHS = {
  home: '/ops',
  login: '/ops/login',
  logout: '/ops/logout',
  account: '/ops/account',
  password: '/ops/account/password',
  sessions: '/ops/account/sessions',
  stylesheet: '/ops/console.css',
  queues: '/ops/queues',
} as const;

/** A path without the prefix of the console's scope, for registering a route in that scope. */
export const within = (path: string) => path.slice(PATHS.home.length) || '/';

/**
 * Matches the paths of the console's pages. A redirect to a path from a request must not lead to another
 * site.
 */
const OWN = /^\/ops(?:\/account|\/queues(?:\/[\w-]+)*)?$/;

/** @returns the path if it is a page of the console, otherwise the home page of the console */
export function goingOnTo(path: string): string {
  return OWN.test(path) ? path : PATHS.home;
}
