/** SQL for the time when an onboarding `o` with an open session leaves its state. */
export const SESSION_STATE_ENDS_AT = `date_trunc('milliseconds',
      least(o.session_ends_at, o.idle_ends_at, o.life_ends_at))`;

/** SQL for whether an onboarding `o` accepts passkeys from a caller, with time for one more call. */
export const ACCEPTS_PASSKEYS = `o.state = 'otp_verified'
      AND ${SESSION_STATE_ENDS_AT} > clock_timestamp()
      AND least(o.session_ends_at, o.life_ends_at)
        >= clock_timestamp() + $callMs::float8 * interval '1 millisecond'
      AND ($caller::text IS NULL OR o.caller = $caller::text)
      AND ($integrations::text[] IS NULL OR o.integration = ANY ($integrations::text[]))
      AND ($versions::int[] IS NULL OR o.version = ANY ($versions::int[]))`;
