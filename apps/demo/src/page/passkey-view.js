import { call, makePasskey } from './ceremony.js';
import { duration, secondsUntil } from './clock.js';
import { startOver } from './code-views.js';
import { el } from './elements.js';

/** @typedef {{name: string, credential: {id: string}, rpId: string, before: string}} Made */

/** @param {any} onboarding @param {import('./page.js').Page} page @returns {import('./page.js').View} */
export function passkeyView(onboarding, page) {
  /** The new passkey that is not saved yet. @type {Made | undefined} */
  let made;
  const name = el('input', {
    id: 'passkey-name',
    name: 'name',
    required: true,
    maxlength: '64',
    autocomplete: 'off',
    value: thisDevice(),
    'aria-describedby': 'name-help problem',
  });
  const create = el('button', { class: 'primary' });
  const finish = el(
    'button',
    { type: 'button', class: 'secondary', hidden: true, click: page.onClick(keep) },
    'Finish with the passkey you have',
  );
  const left = el('p', { class: 'help' });

  /** Submits a new passkey at once, because it would be lost if the user closed the page. */
  async function add() {
    if (dropStale()) return;
    try {
      made ??= { name: name.value.trim() || 'Passkey', ...(await makePasskey()) };
      draw();
      const { credential } = made;
      return await call('/passkeys', { credentials: [{ name: made.name, credential }] });
    } catch (error) {
      const { code } = /** @type {import('./ceremony.js').Refusal} */ (error);
      if (code === 'passkey_exists') finish.hidden = false;
      if (code === 'attestation_invalid' || code === 'upstream_rejected') drop();
      draw();
      throw error;
    }
  }

  /** Ends the onboarding without a new passkey, because this device's existing one still works. */
  async function keep() {
    await call('/cancel', {});
    return { state: 'kept', nextAction: { type: 'finish' }, email: onboarding.email };
  }

  /** Drops a passkey whose challenge expired before it was saved. @returns {boolean} whether it did so */
  function dropStale() {
    if (!made || secondsUntil(made.before) > 0) return false;
    page.tell(`${made.name}: not saved in time. Create it again.`);
    drop();
    draw();
    return true;
  }

  function drop() {
    if (made) takeBack(made);
    made = undefined;
  }

  function draw() {
    create.textContent = made ? 'Save passkey' : 'Create passkey';
  }

  const form = el(
    'form',
    { submit: page.onSubmit(add) },
    el('label', { for: 'passkey-name' }, 'Name of this passkey'),
    name,
    el('p', { id: 'name-help', class: 'help' }, 'It helps you to recognize the passkey in a list.'),
    page.problem,
    create,
    finish,
  );
  draw();
  const lead =
    'A passkey replaces a password. ' +
    'Your device makes it, and asks for your fingerprint, your face or your PIN.';
  return {
    title: 'Create your passkey',
    step: 3,
    body: [el('p', { class: 'lead' }, lead), form, left, startOver(page, 'Start again')],
    field: name,
    heading: true,
    tick() {
      dropStale();
      const s = Math.min(
        ...[onboarding.nextAction, made ?? onboarding.nextAction].map(({ before }) => secondsUntil(before)),
      );
      left.textContent = s > 0 ? `You have ${duration(s)} for this.` : '';
    },
  };
}

/** Asks the device to delete an unregistered passkey. Only some browsers can (WebAuthn Level 3 §5.1.10). */
function takeBack(/** @type {Made} */ { rpId, credential }) {
  /** @type {any} */
  const { signalUnknownCredential } = PublicKeyCredential;
  signalUnknownCredential
    ?.call(PublicKeyCredential, { rpId, credentialId: credential.id })
    .catch(() => undefined);
}

function thisDevice() {
  const [, system] = /(iPhone|iPad|Android|Windows|Macintosh|CrOS|Linux)/.exec(navigator.userAgent) ?? [];
  /** @type {Record<string, string>} */
  const names = {
    Macintosh: 'My Mac',
    Windows: 'My Windows computer',
    CrOS: 'My Chromebook',
    Linux: 'My computer',
  };
  return system
    ? (names[system] ?? `My ${system} device`.replace(/(iPhone|iPad) device/, '$1'))
    : 'My device';
}
