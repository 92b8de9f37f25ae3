import { call, makePasskey, openEvents } from './ceremony.js';

/**
 * The forms, by `nextAction.type`: the request that a form sends when the user submits it. @type
 * {Record<string, (form: FormData) => Promise<any>>}
 */
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

/** The onboarding on the page. @type {{createdAt?: string, version?: number}} */
let shown = {};
/** @type {EventSource | undefined} */
let events;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;

/** Reads and shows the state of the onboarding. If no answer comes, it tries again a moment later. */
async function refresh(refused = '') {
  clearTimeout(later);
  try {
    show(await call(''), refused);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    later = setTimeout(refresh, 3_000);
  }
}

/** Shows the form of the next action. The page keeps no state of its own. */
function show(/** @type {any} */ now, /** @type {string} */ refused) {
  const { createdAt, version, state, nextAction, lastResult, mailboxUrl } = now;
  // The page already shows a newer state.
  if (createdAt === shown.createdAt && version < (shown.version ?? 0)) return;
  // The page now shows another onboarding, which another tab may have started.
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

/** The stream reports changes that the user did not make: a retry, an expiry, a decision of an operator. */
function follow() {
  const stream = openEvents();
  stream.addEventListener('message', () => void refresh());
  stream.addEventListener('error', () => {
    // EventSource reconnects by itself, unless the server answers with something that is not a stream.
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
