import { CALLBACK_PATH } from '#libs/operators';

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
export const pathOfList = (filter: Record<string, string>) =>
  `${PATHS.onboardings}?${new URLSearchParams(filter).toString()}`;
export const pathOfDryRun = (action: string, filter: Record<string, string>) =>
  `${PATHS.operations}/new?${new URLSearchParams({ ...filter, action }).toString()}`;
export const pathOfRefusals = (integration: string) =>
  `${PATHS.refusals}?${new URLSearchParams({ integration }).toString()}`;
export const pathOfOperation = (id: string) => `${PATHS.operations}/${encodeURIComponent(id)}`;

/** A base to parse relative URLs. Nothing is sent to this host. */
const BASE = 'http://console.invalid';

/**
 * Checks the path of the page to open after the login. The path comes from a request, and must not lead to
 * another site. Browsers follow `//evil.example` and `/\evil.example` to another site.
 *
 * @returns the path with its query if it belongs to the console, otherwise the first page
 */
export function pageAfterLogin(path: string): string {
  if (!path.startsWith('/') || !URL.canParse(path, BASE)) return PATHS.now;
  const { origin, pathname, search } = new URL(path, BASE);
  const isOwn = origin === BASE && !/^\/(?:login|logout|assets)(?:\/|$)/.test(pathname);
  return isOwn ? pathname.replace(/^\/+/, '/') + search : PATHS.now;
}
