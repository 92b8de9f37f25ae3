import { call, makePasskey } from './ceremony.js';
import { duration, secondsUntil } from './clock.js';
import { startOver } from './code-views.js';
import { el } from './elements.js';

/** @typedef {{name: string, credential: {id: string}, rpId: string, before: string}} Made */

/** Several devices may make one each before all are registered at once: the session is good for one registration. */
const MOST = 10;

/** @param {any} onboarding @param {import('./page.js').Page} page @returns {import('./page.js').View} */
export function passkeyView(onboarding, page) {
  /** @type {Made[]} */
  let made = [];
  const name = el('input', {
    id: 'passkey-name',
    name: 'name',
    required: true,
    maxlength: '64',
    autocomplete: 'off',
    value: thisDevice(),
    'aria-describedby': 'name-help problem',
  });
  const create = el('button', { class: 'primary' }, 'Create passkey');
  const finish = el('button', { type: 'button', class: 'primary', click: page.onClick(register) }, 'Finish');
  const list = el('ul', { class: 'passkeys', 'aria-label': 'Passkeys ready to be saved' });
  const left = el('p', { class: 'help' });

  async function add() {
    const passkey = await makePasskey(made.map((each) => each.credential));
    made = [...made, { name: name.value.trim() || 'Passkey', ...passkey }];
    name.value = `Passkey ${made.length + 1}`;
    draw();
    page.say(`Passkey ready. Finish, or add another one.`);
    finish.focus();
  }

  async function register() {
    if (dropStale()) return;
    const credentials = made.map(({ name, credential }) => ({ name, credential }));
    try {
      return await call('/passkeys', { credentials });
    } catch (error) {
      // Those that were refused are of no use any more; where it does not say which, all are.
      const { code, errors } = /** @type {import('./ceremony.js').Refusal} */ (error);
      if (code === 'attestation_invalid') made = made.filter((_, at) => !isRefused(errors, at));
      if (code === 'upstream_rejected') made = [];
      draw();
      throw error;
    }
  }

  /** @returns {boolean} whether a passkey was not handed in while its challenge lasted: nobody takes it any more */
  function dropStale() {
    const stale = made.filter(({ before }) => secondsUntil(before) === 0);
    if (stale.length === 0) return false;
    const { activeElement } = document;
    made = made.filter((each) => !stale.includes(each));
    draw();
    if (activeElement === finish && finish.hidden) create.focus();
    page.tell(`${stale.map((each) => each.name).join(', ')}: not saved in time. Create it again.`);
    stale.forEach(takeBack);
    return true;
  }

  function draw() {
    list.hidden = made.length === 0;
    list.replaceChildren(
      ...made.map((each) => el('li', {}, el('strong', {}, each.name), ' ready to be saved')),
    );
    create.textContent = made.length > 0 ? 'Add another passkey' : 'Create passkey';
    create.className = made.length > 0 ? 'secondary' : 'primary';
    create.disabled = made.length >= MOST;
    finish.hidden = made.length === 0;
  }

  const form = el(
    'form',
    { submit: page.onSubmit(add) },
    el('label', { for: 'passkey-name' }, 'Name of this passkey'),
    name,
    el('p', { id: 'name-help', class: 'help' }, 'So that you know it again, in a list of several.'),
    page.problem,
    create,
  );
  draw();
  const lead =
    'A passkey takes the place of a password. Your device makes it, and asks for your fingerprint, your face or your PIN.';
  return {
    title: 'Create your passkey',
    step: 3,
    body: [el('p', { class: 'lead' }, lead), list, finish, form, left, startOver(page, 'Start again')],
    field: name,
    heading: true,
    tick() {
      dropStale();
      const s = Math.min(...[onboarding.nextAction, ...made].map(({ before }) => secondsUntil(before)));
      left.textContent = s > 0 ? `You have ${duration(s)} for this.` : '';
    },
  };
}

/** @param {{pointer: string}[]} errors by JSON pointer: `/authenticators/0/…` @param {number} at */
const isRefused = (errors, at) =>
  errors.length === 0 || errors.some(({ pointer }) => pointer.startsWith(`/authenticators/${at}`));

/** Has the device forget a passkey that will never be of use (WebAuthn Level 3 §5.1.10), where it can. */
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
