import { call, makePasskey } from './ceremony.js';

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

/** @type {EventSource | undefined} */
let events;

/** Shows the form of the next action, and nothing that the page would have to remember. */
async function show(refused = '') {
  const { state, nextAction, lastResult, mailboxUrl } = await call('');
  for (const form of document.forms) form.hidden = form.id !== nextAction.type;
  if (['none', 'resolve'].includes(nextAction.type))
    document.forms.namedItem('cancel')?.removeAttribute('hidden');
  document.querySelector('#status')?.replaceChildren(refused || (lastResult?.detail ?? state));
  document.querySelector('#mailbox')?.setAttribute('href', mailboxUrl);
  if (state === 'not_started') return;
  // What happens without the user (a retry, an expiry, an operator) arrives by itself.
  events ??= Object.assign(new EventSource('/api/onboarding/events'), { onmessage: () => show() });
}

for (const form of document.forms) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (['start', 'cancel'].includes(form.id)) events = void events?.close();
    const refused = await ACTIONS[form.id]?.(new FormData(form)).then(
      () => '',
      (error) => error.message,
    );
    await show(refused);
  });
}

await show();
