import { Refusal, call } from './ceremony.js';
import { setClock } from './clock.js';
import { codeView, resendView, startOver, startView } from './code-views.js';
import { byId, el } from './elements.js';
import { doneView, endedView, keptView, unknownView, waitView } from './other-views.js';
import { passkeyView } from './passkey-view.js';
import { Timeline } from './timeline.js';
import { faultWords } from './words.js';

/**
 * @typedef {object} View one thing that the user is to do, or to know
 * @property {string} title
 * @property {number} step 1 to 3; 4 once all are done
 * @property {(Node | undefined)[]} body
 * @property {HTMLInputElement} [field] what is typed into first, and typed again when it was wrong
 * @property {string | undefined} [announcement] read to users of a screen reader, instead of the title
 * @property {boolean} [heading] whether to begin with reading instead of typing
 * @property {(onboarding: any) => void} [update] the onboarding has moved, and this is still the thing to do
 * @property {() => void} [tick] every second
 */

/**
 * @typedef {object} Page what a view may use of the page
 * @property {HTMLElement} problem where it says what went wrong
 * @property {(text: string) => void} say to those who do not see
 * @property {(text: string) => void} tell what went wrong
 * @property {(work: () => Promise<any>) => (event: Event) => void} onSubmit
 * @property {(work: () => Promise<any>) => (event: Event) => void} onClick
 */

/** One view for each `nextAction.type`: the page has no idea of its own where the user is. */
const VIEWS = {
  start: startView,
  submit_otp: codeView,
  resend_otp: resendView,
  submit_authenticators: passkeyView,
  wait: waitView,
  resolve: unknownView,
  none: endedView,
  finish: keptView,
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

/** Does what the user asked for, and shows where that has led: to a fault, perhaps. */
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
  // What is still so is not read out again, every second.
  if (problem.textContent !== text) problem.textContent = text;
  problem.hidden = text === '';
  view?.field?.toggleAttribute('aria-invalid', false);
}

/** After a wrong code it is typed again; after anything else it is what happened that is read. */
function refocus(/** @type {string} */ code) {
  const { field } = view ?? {};
  if (!field || !['otp_invalid', 'validation_failed'].includes(code)) return;
  field.setAttribute('aria-invalid', 'true');
  field.focus();
  field.select();
}

let asking = false;
let askAgain = false;

/** Reads where the onboarding stands. Many events at once are one question, and the last one is not lost. */
async function refresh() {
  // What the user has just asked for gives an answer of its own: nothing flickers on the way there.
  askAgain = busy || asking;
  if (askAgain) return;
  asking = true;
  await read().finally(() => (asking = false));
  if (askAgain) await refresh();
}

/** Whether the last question went unanswered: it is asked again until it is. */
let unreachable = false;

async function read() {
  const of = followed;
  try {
    const now = await call('');
    if (followed !== of) return; // the user has gone on to another onboarding, or to none
    if (unreachable) tell('');
    unreachable = false;
    show(now);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    unreachable = true;
    // Nobody is left without anything to press.
    if (!view && !problem.isConnected) byId('view').replaceChildren(problem, startOver(page, 'Start again'));
    tell(faultWords(error));
  }
}

function show(/** @type {any} */ now) {
  const before = onboarding;
  follow(now);
  // An answer that was overtaken by a newer one.
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
  // What a step that ended behind the user's back has to say; a wait says it in its own words.
  const { lastResult } = now;
  if (lastResult && nextAction.type !== 'wait' && lastResult.at !== before?.lastResult?.at) {
    tell(faultWords(lastResult, otp));
    refocus(lastResult.code);
  }
}

/** The timeline of this onboarding, and of no other that was shown before. */
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
  // Nobody is torn away from what they read elsewhere on the page.
  if (first || !inside) return;
  if (next.field && !next.heading) next.field.focus();
  else byId('title').focus();
}

let ticks = 0;
setInterval(() => {
  view?.tick?.();
  // A proxy may hold the stream back, and let it look open: a wait does not depend on it.
  const waits = onboarding?.nextAction.type === 'wait' && ++ticks % 3 === 0;
  // And a page that got no answer tries again.
  if (!onboarding || unreachable || waits) void refresh();
}, 1_000);
window.addEventListener('pageshow', (event) => void (event.persisted && refresh()));

await refresh();
