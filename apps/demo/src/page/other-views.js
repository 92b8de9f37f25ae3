import { call } from './ceremony.js';
import { duration, secondsUntil, timeOfDay } from './clock.js';
import { resend, startOver } from './code-views.js';
import { address, el } from './elements.js';

/** @typedef {import('./page.js').Page} Page */
/** @typedef {import('./page.js').View} View */

/** Texts by the onboarding's state. @type {Record<string, {title: string, step: number}>} */
const WAITS = {
  otp_requested: { title: 'Mailing your code', step: 2 },
  otp_submitted: { title: 'Checking your code', step: 2 },
  authenticators_submitted: { title: 'Saving your passkey', step: 3 },
};

/**
 * Shows that a step is running or waits for its next try.
 *
 * @param {any} onboarding @param {Page} page @returns {View}
 */
export function waitView(onboarding, page) {
  const lead = el('p', { class: 'lead' });
  const next = el('p', { class: 'help' });
  let shown = onboarding;
  const tick = () => {
    const s = shown.lastResult && !shown.parked ? secondsUntil(shown.nextAction.until) : 0;
    next.textContent = s > 0 ? `Next try in ${duration(s)}.` : '';
  };
  const update = (/** @type {any} */ now) => {
    shown = now;
    const text = now.parked ? PARKED : now.lastResult ? RETRYING : 'This takes a moment.';
    if (lead.textContent !== text) {
      lead.textContent = text;
      if (now.parked || now.lastResult) page.say(text);
    }
    tick();
  };
  const spinner = el('div', { class: 'spinner', 'aria-hidden': 'true' });
  return {
    title: WAITS[onboarding.state]?.title ?? 'One moment',
    step: WAITS[onboarding.state]?.step ?? 2,
    body: [spinner, lead, next, page.problem, startOver(page, 'Start again')],
    update,
    tick,
  };
}

const PARKED =
  'We must fix something on our side first. ' +
  'You can leave this page open: it continues by itself as soon as this is done.';
const RETRYING =
  'The wallet provider has problems at the moment. We are still trying. ' +
  'You can leave this page open: it continues by itself.';

/** @param {any} onboarding @param {Page} page @returns {View} */
export function unknownView(onboarding, page) {
  const ofPasskey = onboarding.unresolved?.step === 'create-authenticators' || onboarding.session !== null;
  const why = ofPasskey
    ? 'We sent your passkey to the provider, but no confirmation came back. It may or may not be saved.'
    : 'We sent your code to the provider, but no answer came back. You cannot use this code a second time.';
  const again = resend(onboarding, page);
  return {
    title: 'We are not sure that it worked',
    step: ofPasskey ? 3 : 2,
    body: [
      el('p', { class: 'lead' }, why),
      el(
        'p',
        {},
        'If the answer still comes, this page continues by itself. ' +
          'Otherwise, ask for a new code: that is always safe.',
      ),
      page.problem,
      again.element,
      startOver(page, 'Start again'),
    ],
    update: again.update,
    tick: again.tick,
  };
}

/** @param {any} onboarding @param {Page} page @returns {View} */
export function doneView({ authenticators, email }, page) {
  const passkeys = authenticators.map((/** @type {any} */ { authenticatorName, createdAt, transports }) =>
    el('li', {}, el('strong', {}, authenticatorName), ` ${placeWords(transports)}, ${timeOfDay(createdAt)}`),
  );
  const lead = ['From now on ', address(email), ' signs in with a passkey.'];
  return {
    title: 'You are all set',
    step: 4,
    body: [
      el('p', { class: 'lead' }, ...lead),
      el('ul', { class: 'passkeys', 'aria-label': 'Your passkeys' }, ...passkeys),
      page.problem,
      another(email, page),
      startOver(page, 'Start again'),
    ],
  };
}

/** The device already has a passkey. @param {any} onboarding @param {Page} page @returns {View} */
export function existingPasskeyView({ email }, page) {
  return {
    title: 'You are all set',
    step: 4,
    body: [
      el(
        'p',
        { class: 'lead' },
        'This device has a passkey already. ',
        address(email),
        ' signs in with it as before.',
      ),
      page.problem,
      another(email, page),
      startOver(page, 'Start again'),
    ],
  };
}

/**
 * Another passkey needs a new code, because saving a passkey ends the onboarding.
 *
 * @param {string} email @param {Page} page
 */
function another(email, page) {
  const click = page.onClick(() => call('', { email }));
  return el(
    'div',
    {},
    el('button', { type: 'button', class: 'secondary', click }, 'Add another passkey'),
    el('p', { class: 'help' }, 'For another device. We mail you a new code first.'),
  );
}

const placeWords = (/** @type {string[]} */ transports) =>
  transports.some((each) => /internal$/i.test(each)) ? 'on this device' : 'on another device';

/** @type {Record<string, {title: string, why: string}>} */
const ENDS = {
  failed: { title: 'That did not work', why: 'It cannot continue from here.' },
  expired: { title: 'Time is up', why: 'Nothing happened here for too long. We closed it to keep you safe.' },
  cancelled: { title: 'This was stopped', why: 'It was cancelled, perhaps by you in another window.' },
};

/** @param {any} onboarding @param {Page} page @returns {View} */
export function endedView({ state }, page) {
  const { title, why } = ENDS[state] ?? {
    title: 'Time is nearly up',
    why: 'No time is left for another code.',
  };
  const again = startOver(page, 'Start again');
  again.querySelector('button')?.classList.replace('quiet', 'primary');
  return {
    title,
    step: 1,
    body: [el('p', { class: 'lead' }, why, ' Nothing was lost: start again.'), page.problem, again],
  };
}
