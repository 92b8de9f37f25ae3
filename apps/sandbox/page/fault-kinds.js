/** @import { FaultSpec } from '../src/control/fault.dto.js' */

/** @type {readonly { name: string, text: string, answers: boolean, spec: Partial<FaultSpec> }[]} */
export const KINDS = [
  { name: 'error', text: 'Answer a status, do nothing', answers: true, spec: {} },
  { name: 'error-after', text: 'Do it, then answer a status', answers: true, spec: { afterEffect: true } },
  { name: 'cut-before', text: 'Drop the connection, do nothing', answers: false, spec: { cut: 'before' } },
  { name: 'cut-after', text: 'Do it, then drop the connection', answers: false, spec: { cut: 'after' } },
  {
    name: 'cut-within',
    text: 'Drop it in the middle of the answer',
    answers: false,
    spec: { cut: 'mid-response' },
  },
  { name: 'slow', text: 'Only the delay', answers: false, spec: {} },
];

/** The routes of the three steps. @type {Readonly<Record<string, [string, string, string]>>} */
const STEPS = {
  byzantine: ['init-otp', 'otp-auth', 'create-authenticators-otp'],
  turnkey: ['init_otp', 'verify_otp', 'create_authenticators'],
  'auth-proxy': ['otp_init_v2', 'otp_verify_v2', 'create_authenticators'],
};

/**
 * The most common faults.
 *
 * @param {string} provider
 * @returns {{ text: string, spec: FaultSpec }[]}
 */
export function presetsOf(provider) {
  const [mail, check, create] = STEPS[provider] ?? ['*', '*', '*'];
  return [
    { text: 'Answer 503 twice to the next code mail', spec: { route: mail, status: 503, times: 2 } },
    { text: 'Take the code, then drop the connection', spec: { route: check, cut: 'after' } },
    { text: 'Create passkeys, then drop the connection', spec: { route: create, cut: 'after' } },
    { text: 'Answer the next request slowly (3 s)', spec: { route: '*', delayMs: 3_000 } },
    { text: 'Everything down until you delete this', spec: { route: '*', status: 503, times: 0 } },
  ];
}
