const HEADERS = {
  ETag: 'The version of the onboarding, in quotes, for `If-Match`.',
  'Idempotent-Replayed': '`true` if the answer to the first request with this `Idempotency-Key` is repeated.',
  Location: 'The path of the onboarding or the operation.',
  'Preference-Applied': 'The preferences of `Prefer` that the service applied.',
  RateLimit: 'The policy, how many requests remain (`r`), and after how many seconds more are allowed (`t`).',
  'RateLimit-Policy': 'The policy, how many requests it allows (`q`), and in how many seconds (`w`).',
  'Retry-After': 'How many seconds to wait before sending the request again.',
  'WWW-Authenticate': 'How to authenticate (RFC 6750).',
  'X-Request-Id': 'The id of the request: as it was sent, or a new one. It is the `traceId` of a problem.',
} as const;

export interface DocumentedAnswer {
  status: number;
  isOnboarding: boolean;
  /** The request headers that the route reads. */
  takes: ReadonlySet<string>;
}

/** Problems with these statuses come only after the service has read a command's headers. */
const OF_COMMANDS = new Set([409, 410, 412, 422]);

export function headersOf({ status, isOnboarding, takes }: DocumentedAnswer) {
  const isRead = status < 300 || OF_COMMANDS.has(status);
  const present: Record<keyof typeof HEADERS, boolean> = {
    ETag: isOnboarding,
    'Idempotent-Replayed': isRead && takes.has('Idempotency-Key'),
    Location: status === 202 || (isOnboarding && status === 201),
    'Preference-Applied': isRead && takes.has('Prefer'),
    RateLimit: status !== 401,
    'RateLimit-Policy': status !== 401,
    'Retry-After': [409, 429, 503].includes(status),
    'WWW-Authenticate': status === 401 || status === 403,
    'X-Request-Id': true,
  };
  const names = (Object.keys(HEADERS) as (keyof typeof HEADERS)[]).filter((name) => present[name]);
  return Object.fromEntries(
    names.map((name) => {
      const type = name === 'Retry-After' ? ('integer' as const) : ('string' as const);
      return [name, { description: HEADERS[name], schema: { type } }];
    }),
  );
}
