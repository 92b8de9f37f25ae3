import { call, makePasskey, openEvents } from './ceremony.js';

/** What the user does about each `nextAction.type`. @type {Record<string, (form: FormData) => Promise<any>>} */
const ACTIONS = {
  start: (form) => call('', { email: form.get('email') }),
  submit_otp: (form) => call('/code', { code: String(form.get('code')).trim() }),
  resend_otp: () => call('/resend', {}),
  async submit_authenticators() {
    const { credential } = await makePasskey();
    return call('/passkeys', { credentials: [{ name: 'My device', credential }] });
  },
  cancel: () => call('/cancel', {}),
};

/** What is shown. @type {{createdAt?: string, version?: number}} */
let shown = {};
/** @type {EventSource | undefined} */
let events;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;

/** Shows where the onboarding stands; without an answer, again in a moment. */
async function refresh(refused = '') {
  clearTimeout(later);
  try {
    show(await call(''), refused);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    later = setTimeout(refresh, 3_000);
  }
}

/** Shows the form of the next action, and nothing that the page would have to remember. */
function show(/** @type {any} */ now, /** @type {string} */ refused) {
  const { createdAt, version, state, nextAction, lastResult, mailboxUrl } = now;
  // An answer that was overtaken by a newer one.
  if (createdAt === shown.createdAt && version < (shown.version ?? 0)) return;
  // Another one than before, from another tab perhaps.
  if (createdAt !== shown.createdAt) events = void events?.close();
  shown = now;
  for (const form of document.forms) form.hidden = form.id !== nextAction.type;
  if (['none', 'resolve'].includes(nextAction.type))
    document.forms.namedItem('cancel')?.removeAttribute('hidden');
  say(refused || (lastResult?.detail ?? state));
  document.querySelector('#mailbox')?.setAttribute('href', mailboxUrl);
  if (!['start', 'none'].includes(nextAction.type)) events ??= follow();
}

const say = (/** @type {string} */ text) => document.querySelector('#status')?.replaceChildren(text);

/** What happens without the user (a retry, an expiry, an operator) arrives by itself. */
function follow() {
  const stream = openEvents();
  stream.addEventListener('message', () => void refresh());
  stream.addEventListener('error', () => {
    // EventSource tries again by itself, but not after an answer that is no stream: that is its last word.
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
    const refused = await ACTIONS[form.id]?.(new FormData(form)).then(
      () => '',
      (error) => error.message,
    );
    await refresh(refused);
  });
}

await refresh();
