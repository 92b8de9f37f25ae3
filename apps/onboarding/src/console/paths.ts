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

/** A path for the routes of the console's scope: without the scope's prefix, which is the console's home. */
export const within = (path: string) => path.slice(PATHS.home.length) || '/';

/** Our own pages: a target that comes from a request must not lead to another site. */
const OWN = /^\/ops(?:\/account|\/queues(?:\/[\w-]+)*)?$/;

/** @returns the path if a login may lead there, otherwise the console's home */
export function goingOnTo(path: string): string {
  return OWN.test(path) ? path : PATHS.home;
}
