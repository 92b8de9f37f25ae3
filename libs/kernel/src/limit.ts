/** The limits that refuse requests, for their metric. */
export const LIMITS = [
  // requests of a caller, and its commands about one subject, in a minute
  'caller',
  'subject',
  // tokens from one network that were not valid
  'login_failures',
  // codes that were sent to a subject, and wrong codes: of one code, or of a day
  'otp_send',
  'otp_tries',
  // open event streams of this process, and of one caller
  'event_streams',
  'event_streams_of_caller',
  // wrong emergency passwords
  'console_login',
] as const;

export type Limit = (typeof LIMITS)[number];
