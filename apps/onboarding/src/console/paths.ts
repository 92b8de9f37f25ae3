/** Where the console is. */
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

/** A path as the routes of the console's scope have it, whose prefix is the console's home. */
export const within = (path: string) => path.slice(PATHS.home.length) || '/';

/** Of ours, and nobody else's: a place to go on to that is taken from a request must not lead away. */
const OWN = /^\/ops(?:\/account|\/queues(?:\/[\w-]+)*)?$/;

/** @returns the path where it is one that a login may go on to, and the console's home otherwise. */
export function goingOnTo(path: string): string {
  return OWN.test(path) ? path : PATHS.home;
}
