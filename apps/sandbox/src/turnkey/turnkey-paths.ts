/** The last segments of the public API's paths. */
export const SUBMISSIONS = [
  'init_otp',
  'verify_otp',
  'create_sub_organization',
  'otp_login',
  'stamp_login',
  'create_authenticators',
  'delete_authenticators',
] as const;
export const QUERIES = [
  'get_activity',
  'get_authenticators',
  'get_user',
  'list_suborgs',
  'list_users',
  'list_verified_suborgs',
  'whoami',
] as const;

/** All are `POST /v1/…`. */
export const PROXY_ROUTES = [
  'otp_init',
  'otp_init_v2',
  'otp_verify',
  'otp_verify_v2',
  'otp_login',
  'otp_login_v2',
  'signup',
  'signup_v2',
  'account',
  'wallet_kit_config',
  'wallet_kit_client_params',
] as const;

/** Documented routes of the Auth Proxy that are not emulated. */
const OTHER_PROXY_ROUTES = ['oauth_login', 'oauth2_authenticate'];

export const isPublicApi = (path: string) => path === '/public' || path.startsWith('/public/');

export const isEmulated = (path: string) =>
  SUBMISSIONS.some((name) => path === `/public/v1/submit/${name}`) ||
  QUERIES.some((name) => path === `/public/v1/query/${name}`);

export const isAuthProxy = (path: string) =>
  [...PROXY_ROUTES, ...OTHER_PROXY_ROUTES].some((route) => path === `/v1/${route}`);
