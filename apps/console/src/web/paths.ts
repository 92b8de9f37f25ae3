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

/** Relative URLs need a base to be parsed. Nothing is sent to this host. */
const BASE = 'http://console.invalid';

/**
 * Keeps the operator on this site: browsers follow `//evil.example` and `/\evil.example` to another one.
 *
 * @returns the path with its query if it belongs to the console, otherwise the first page
 */
export function pageAfterLogin(path: string): string {
  if (!path.startsWith('/') || !URL.canParse(path, BASE)) return PATHS.now;
  const { origin, pathname, search } = new URL(path, BASE);
  const isOwn = origin === BASE && !/^\/(?:login|logout|assets)(?:\/|$)/.test(pathname);
  return isOwn ? pathname.replace(/^\/+/, '/') + search : PATHS.now;
}
