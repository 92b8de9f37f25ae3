import { call, makePasskey, openEvents } from './ceremony.js';

/** The requests, by the form's id. @type {Record<string, (form: FormData) => Promise<any>>} */
const ACTIONS = {
  start: (form) => call('', { email: form.get('email') }),
  submit_otp: (form) => call('/code', { code: String(form.get('code')).replaceAll(/\W/g, '') }),
  resend_otp: () => call('/resend', {}),
  async submit_authenticators() {
    const { credential } = await makePasskey();
    return call('/passkeys', { credentials: [{ name: 'My device', credential }] });
  },
  cancel: () => call('/cancel', {}),
};

/**
 * The forms to show, by `nextAction.type`. For other types, the form's id is the type.
 *
 * @type {Record<string, string[]>}
 */
const FORMS = { wait: [], resolve: ['resend_otp', 'cancel'], none: ['cancel'] };

const ONE_MOMENT = 'The wallet provider has problems. Please wait: this page continues by itself.';
const NO_PASSKEY = 'No passkey was created. Try again.';

/** The texts for users, by error code. Your product needs more texts. @type {Record<string, string>} */
const WORDS = {
  otp_invalid: 'That code is wrong.',
  otp_expired: 'That code has expired. Ask for a new one.',
  otp_locked: 'This code cannot be used any more. Ask for a new one.',
  otp_resend_too_soon: 'It is too soon for another code.',
  validation_failed: 'That does not look right. Check what you typed.',
  onboarding_live: 'You have started elsewhere. Finish there, or try again later.',
  session_expired: 'The time for the passkey is over. Ask for a new code.',
  outcome_unknown: 'We are not sure that it worked. Ask for a new code: that is always safe.',
  upstream_unavailable: ONE_MOMENT,
  upstream_misconfigured: ONE_MOMENT,
  integration_paused: ONE_MOMENT,
  passkey_cancelled: NO_PASSKEY,
  passkey_timed_out: NO_PASSKEY,
};

/** @param {{code: string, retryAfterS?: number}} fault */
function wordsFor({ code, retryAfterS = 0 }) {
  const text = WORDS[code] ?? `That did not work (${code}).`;
  return retryAfterS > 0 ? `${text} Try again in ${retryAfterS} s.` : text;
}

/** @type {{createdAt?: string, version?: number}} */
let shown = { version: 0 };
/** @type {EventSource | undefined} */
let events;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;

async function refresh(refused = '') {
  clearTimeout(later);
  try {
    show(await call(''), refused);
  } catch (error) {
    say(wordsFor(/** @type {any} */ (error)));
    shown.version = 0; // the next answer replaces this text
    later = setTimeout(refresh, 3_000);
  }
}

function show(/** @type {any} */ now, /** @type {string} */ refused) {
  const { createdAt, version, state, nextAction, lastResult, mailboxUrl } = now;
  // The page already shows a newer state.
  if (createdAt === shown.createdAt && version < (shown.version ?? 0)) return;
  // Another tab may have started another onboarding.
  if (createdAt !== shown.createdAt) events = void events?.close();
  // An event that changed nothing must not remove the text about a refusal.
  const isNew = createdAt !== shown.createdAt || version !== shown.version;
  shown = now;
  const forms = FORMS[nextAction.type] ?? [nextAction.type];
  for (const form of document.forms) form.hidden = !forms.includes(form.id);
  if (refused || isNew) say(refused || (lastResult ? wordsFor(lastResult) : state));
  document.querySelector('#mailbox')?.setAttribute('href', mailboxUrl);
  if (!['start', 'none'].includes(nextAction.type)) events ??= follow();
}

const say = (/** @type {string} */ text) => document.querySelector('#status')?.replaceChildren(text);

/** The stream reports changes that the user did not make, e.g. a retry or an expiry. */
function follow() {
  const stream = openEvents();
  stream.addEventListener('message', () => void refresh());
  stream.addEventListener('error', () => {
    // EventSource reconnects by itself, except after an answer that is not a stream.
    if (stream.readyState !== EventSource.CLOSED || stream !== events) return;
    events = undefined;
    later = setTimeout(refresh, 3_000);
  });
  return stream;
}

for (const form of document.forms) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (['start', 'cancel'].includes(form.id)) events = void events?.close();
    const refused = await ACTIONS[form.id]?.(new FormData(form)).then(() => '', wordsFor);
    await refresh(refused);
  });
}

await refresh();
