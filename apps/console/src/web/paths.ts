import { CALLBACK_PATH } from '#libs/operators';

/** The paths of the console. Each can be sent to a colleague. */
export const PATHS = {
  now: '/',
  funnel: '/funnel',
  onboardings: '/onboardings',
  operations: '/operations',
  refusals: '/refusals',
  audit: '/audit',
  queues: '/queues',
  login: '/login',
  oidc: '/login/oidc',
  callback: CALLBACK_PATH,
  emergency: '/login/emergency',
  link: '/login/link',
  logout: '/logout',
  sessions: '/sessions',
  assets: '/assets',
} as const;

export const pathOfOnboarding = (id: string) => `${PATHS.onboardings}/${encodeURIComponent(id)}`;
/** The list with a filter, as its form sends it. */
export const pathOfList = (filter: Record<string, string>) =>
  `${PATHS.onboardings}?${new URLSearchParams(filter).toString()}`;
/** The dry run of an action on all onboardings of a filter. */
export const pathOfDryRun = (action: string, filter: Record<string, string>) =>
  `${PATHS.operations}/new?${new URLSearchParams({ ...filter, action }).toString()}`;
/** The texts of one integration that Gangway does not know. */
export const pathOfRefusals = (integration: string) =>
  `${PATHS.refusals}?${new URLSearchParams({ integration }).toString()}`;
export const pathOfOperation = (id: string) => `${PATHS.operations}/${encodeURIComponent(id)}`;

/** The origin is only a base for parsing. */
const BASE = 'http://console.invalid';

/**
 * The page to open after the login. A path from a request must not lead to another site: `//evil.example`
 * and `/\evil.example` do in a browser.
 *
 * @returns the path with its query if it belongs to the console, otherwise the first page
 */
export function goingOnTo(path: string): string {
  if (!path.startsWith('/') || !URL.canParse(path, BASE)) return PATHS.now;
  const { origin, pathname, search } = new URL(path, BASE);
  const isOwn = origin === BASE && !/^\/(?:login|logout|assets)(?:\/|$)/.test(pathname);
  return isOwn ? pathname.replace(/^\/+/, '/') + search : PATHS.now;
}
