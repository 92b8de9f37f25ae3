/** The names of the limits in the metric of refused requests. */
export const LIMITS = [
  // per minute: the requests of a caller, and the commands of a caller about one subject
  'caller',
  'subject',
  // invalid tokens from one network
  'login_failures',
  // codes sent to a subject; wrong codes typed for one sent code, or in 24 hours
  'otp_send',
  'otp_tries',
  // open event streams: of this process, and of one caller
  'event_streams',
  'event_streams_of_caller',
  // wrong emergency passwords
  'console_login',
] as const;

export type Limit = (typeof LIMITS)[number];
