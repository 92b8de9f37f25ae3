import { Refusal, call } from './ceremony.js';
import { setClock } from './clock.js';
import { codeView, resendView, startOver, startView } from './code-views.js';
import { byId, el } from './elements.js';
import { doneView, endedView, existingPasskeyView, unknownView, waitView } from './other-views.js';
import { passkeyView } from './passkey-view.js';
import { Timeline } from './timeline.js';
import { faultWords } from './words.js';

/**
 * @typedef {object} View
 * @property {string} title
 * @property {number} step 1 to 3; 4 if all three steps are done
 * @property {(Node | undefined)[]} body
 * @property {HTMLInputElement} [field] the main input; gets the focus at first and after a wrong value
 * @property {string | undefined} [announcement] for screen readers, instead of the title
 * @property {boolean} [heading] whether the title gets the focus first, instead of the field
 * @property {(onboarding: any) => void} [update] called when the onboarding changed, but this view stays
 * @property {() => void} [tick] called every second
 */

/**
 * @typedef {object} Page
 * @property {HTMLElement} problem the element that shows what went wrong
 * @property {(text: string) => void} say announces a text to screen readers
 * @property {(text: string) => void} tell shows what went wrong
 * @property {(work: () => Promise<any>) => (event: Event) => void} onSubmit
 * @property {(work: () => Promise<any>) => (event: Event) => void} onClick
 */

/** The views, by `nextAction.type`: Gangway decides which step comes next. */
const VIEWS = {
  start: startView,
  submit_otp: codeView,
  resend_otp: resendView,
  submit_authenticators: passkeyView,
  wait: waitView,
  resolve: unknownView,
  none: endedView,
  finish: existingPasskeyView,
};

const problem = el('p', { id: 'problem', class: 'problem', role: 'alert', hidden: true });
const card = byId('card');
const timeline = new Timeline(() => void refresh());

/** @type {View | undefined} */
let view;
let key = '';
let followed = '';
let busy = false;
/** @type {any} */
let onboarding;

/** @type {Page} */
const page = {
  problem,
  say: (text) => byId('status').replaceChildren(text),
  tell,
  onSubmit: (work) => (event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    void act(work, /** @type {SubmitEvent} */ (event).submitter ?? form.querySelector('button'));
  },
  onClick: (work) => (event) => void act(work, /** @type {HTMLElement} */ (event.currentTarget)),
};

async function act(/** @type {() => Promise<any>} */ work, /** @type {HTMLElement | null} */ button) {
  if (busy) return;
  setBusy(true);
  button?.classList.add('works');
  tell('');
  try {
    const answer = await work();
    if (answer) show(answer);
  } catch (error) {
    const refusal = error instanceof Refusal ? error : new Refusal({ code: 'internal' });
    if (refusal !== error) reportError(error);
    await read();
    tell(faultWords(refusal, onboarding?.otp));
    refocus(refusal.code);
  } finally {
    setBusy(false);
    button?.classList.remove('works');
    if (askAgain && followed) void refresh();
  }
}

/** @param {boolean} now */
function setBusy(now) {
  busy = now;
  card.setAttribute('aria-busy', String(now));
}

function tell(/** @type {string} */ text) {
  // Do not set an unchanged text again, because screen readers would read it every second.
  if (problem.textContent !== text) problem.textContent = text;
  problem.hidden = text === '';
  view?.field?.toggleAttribute('aria-invalid', false);
}

/** Moves the focus back to the field only after a wrong value. */
function refocus(/** @type {string} */ code) {
  const { field } = view ?? {};
  if (!field || !['otp_invalid', 'validation_failed'].includes(code)) return;
  field.setAttribute('aria-invalid', 'true');
  field.focus();
  field.select();
}

let asking = false;
let askAgain = false;

/** Many events in a short time lead to one read, which comes after the last event. */
async function refresh() {
  // A read before a running action ends would make the page flicker.
  askAgain = busy || asking;
  if (askAgain) return;
  asking = true;
  await read().finally(() => (asking = false));
  if (askAgain) await refresh();
}

/** Whether the last read got no answer. If so, the page repeats it. */
let unreachable = false;

async function read() {
  const asked = followed;
  try {
    const now = await call('');
    if (followed !== asked) return; // the page now shows another onboarding, or none
    if (unreachable) tell('');
    unreachable = false;
    show(now);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    unreachable = true;
    // The page must always have a button that the user can press.
    if (!view && !problem.isConnected) byId('view').replaceChildren(problem, startOver(page, 'Start again'));
    tell(faultWords(error));
  }
}

function show(/** @type {any} */ now) {
  const before = onboarding;
  follow(now);
  if (before?.createdAt === now.createdAt && before?.version > now.version) return;
  onboarding = now;
  setClock(now.now, now.updatedAt);
  const { state, nextAction, createdAt, otp } = now;
  const wanted = [nextAction.type, state, createdAt, otp?.sends].join();
  if (wanted !== key) {
    key = wanted;
    const make =
      state === 'completed' ? doneView : VIEWS[/** @type {keyof typeof VIEWS} */ (nextAction.type)];
    draw((make ?? endedView)(now, page), before === undefined);
  }
  view?.update?.(now);
  view?.tick?.();
  // A step may have ended in the background. The view for `wait` shows results itself.
  const { lastResult } = now;
  if (lastResult && nextAction.type !== 'wait' && lastResult.at !== before?.lastResult?.at) {
    tell(faultWords(lastResult, otp));
    refocus(lastResult.code);
  }
}

function follow(/** @type {any} */ { createdAt = '', nextAction }) {
  if (createdAt !== followed) {
    followed = createdAt;
    if (createdAt) timeline.follow();
    else timeline.stop();
  } else if (createdAt && nextAction.type !== 'none') timeline.revive();
}

/** @param {View} next @param {boolean} first */
function draw(next, first) {
  const inside = card.contains(document.activeElement) || document.activeElement === document.body;
  view = next;
  tell('');
  byId('title').textContent = next.title;
  document.title = `${next.title} · Gangway demo`;
  byId('view').replaceChildren(...next.body.filter((node) => node !== undefined));
  for (const [index, step] of [...byId('steps').children].entries()) {
    step.className = index + 1 < next.step ? 'done' : index + 1 === next.step ? 'current' : '';
    if (index + 1 === next.step) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
    byId(`step-${index + 1}`).textContent = index + 1 < next.step ? ' (done)' : '';
  }
  page.say(next.announcement ?? (inside ? '' : next.title));
  // Do not move the focus while the user is in another part of the page.
  if (first || !inside) return;
  if (next.field && !next.heading) next.field.focus();
  else byId('title').focus();
}

let ticks = 0;
setInterval(() => {
  view?.tick?.();
  // A proxy may hold back the events of a stream, so the page also polls while it waits.
  const waits = onboarding?.nextAction.type === 'wait' && ++ticks % 3 === 0;
  if (!onboarding || unreachable || waits) void refresh();
}, 1_000);
window.addEventListener('pageshow', (event) => void (event.persisted && refresh()));

await refresh();
