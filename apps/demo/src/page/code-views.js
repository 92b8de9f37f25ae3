import { call } from './ceremony.js';
import { duration, secondsUntil, timeOfDay } from './clock.js';
import { address, el } from './elements.js';
import { REASONS } from './words.js';

/** @typedef {import('./page.js').Page} Page */
/** @typedef {import('./page.js').View} View */

/** @param {any} _ @param {Page} page @returns {View} */
export function startView(_, page) {
  const email = el('input', {
    id: 'email',
    name: 'email',
    type: 'email',
    required: true,
    autocomplete: 'email',
    maxlength: '254',
    value: 'ana@example.com',
    'aria-describedby': 'email-help problem',
    spellcheck: 'false',
  });
  const form = el(
    'form',
    { submit: page.onSubmit(() => call('', { email: email.value.trim() })) },
    el('label', { for: 'email' }, 'Your e-mail'),
    email,
    el(
      'p',
      { id: 'email-help', class: 'help' },
      'In this demo, any address works: no mail leaves your machine.',
    ),
    page.problem,
    el('button', { class: 'primary' }, 'Send me a code'),
  );
  const lead = 'We mail you a code. With it you create a passkey, and never need a password.';
  return {
    title: 'Set up your wallet',
    step: 1,
    body: [el('p', { class: 'lead' }, lead), form],
    field: email,
  };
}

/** @param {any} onboarding @param {Page} page @returns {View} */
export function codeView(onboarding, page) {
  // Only Byzantine's codes are all digits. For other codes, a phone must show the full keyboard.
  const digits = onboarding.provider === 'byzantine';
  const code = el('input', {
    id: 'code',
    name: 'code',
    class: 'code',
    required: true,
    maxlength: '20',
    spellcheck: 'false',
    autocomplete: 'one-time-code',
    autocapitalize: 'characters',
    inputmode: digits ? 'numeric' : 'text',
    'aria-describedby': 'code-help problem',
  });
  const submit = () => call('/code', { code: code.value.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase() });
  const form = el(
    'form',
    { submit: page.onSubmit(submit) },
    el('label', { for: 'code' }, 'Code from the mail'),
    code,
    el('p', { id: 'code-help', class: 'help' }, `It works until ${timeOfDay(onboarding.otp.expiresAt)}.`),
    page.problem,
    el('button', { class: 'primary' }, 'Continue'),
  );
  const again = resend(onboarding, page, 'No mail?');
  const isNew = onboarding.otp.sends > 1;
  return {
    title: 'Check your mail',
    step: 2,
    announcement: isNew ? `A new code was mailed to ${onboarding.email}.` : undefined,
    body: [
      el(
        'p',
        { class: 'lead' },
        `We have mailed a ${isNew ? 'new ' : ''}code to `,
        address(onboarding.email, '.'),
        isNew && ' The older codes do not work any more.',
      ),
      form,
      again.element,
      el('p', { class: 'aside-link' }, mailboxLink(onboarding)),
      startOver(page, 'Use another e-mail'),
    ],
    field: code,
    update: again.update,
    tick: again.tick,
  };
}

/** @param {any} onboarding @param {Page} page @returns {View} */
export function resendView(onboarding, page) {
  const noTries = onboarding.state === 'otp_sent' ? 'No tries are left for your code.' : undefined;
  const why = REASONS[onboarding.reason] ?? noTries ?? 'Your code cannot be used any more.';
  const again = resend(onboarding, page);
  return {
    title: 'You need a new code',
    step: 2,
    body: [
      el('p', { class: 'lead' }, why),
      page.problem,
      again.element,
      startOver(page, 'Use another e-mail'),
    ],
    update: again.update,
    tick: again.tick,
  };
}

/**
 * Makes the button for a new code, with a countdown until it is enabled.
 *
 * @param {any} onboarding @param {Page} page @param {string} [question] the text before the button, if the
 *   view has another main button
 */
export function resend(onboarding, page, question) {
  let from = notBefore(onboarding);
  const button = el(
    'button',
    {
      type: 'button',
      class: question ? 'secondary' : 'primary',
      click: page.onClick(() => call('/resend', {})),
    },
    'Send a new code',
  );
  const wait = el('span', { class: 'help' });
  const tick = () => {
    const left = secondsUntil(from);
    button.disabled = left > 0;
    wait.textContent = left > 0 ? `possible in ${duration(left)}` : '';
  };
  const update = (/** @type {any} */ now) => {
    from = notBefore(now);
    tick();
  };
  const element = el('div', { class: 'resend' }, question && el('span', {}, question), button, wait);
  return { element, tick, update };
}

const notBefore = (/** @type {any} */ { nextAction, otp }) => nextAction.notBefore ?? otp.resendAvailableAt;

/** @param {Page} page @param {string} text */
export function startOver(page, text) {
  const click = page.onClick(() => call('/cancel', {}));
  return el('p', { class: 'start-over' }, el('button', { type: 'button', class: 'quiet', click }, text));
}

/** @param {any} onboarding */
function mailboxLink({ mailboxUrl }) {
  if (!mailboxUrl) return undefined;
  return el('a', { href: mailboxUrl, target: '_blank', rel: 'noopener' }, 'Open the sandbox’s mailbox');
}
