import { byId, make, makeButton, setText } from './dom.js';
import { KeyedList } from './keyed-list.js';
import { recipientOf } from './mailbox.js';
import { keyOf, seriesOf } from './series.js';
import { exactTime, gapWords } from './times.js';
import { answerWords, counted, effectWords, faultWords, routeWords, shortId } from './words.js';
/** @import { Fault } from '../src/control/faults.js' */
/** @import { Glance } from '../src/control/glance.js' */
/** @import { JournalEntry } from '../src/control/journal.js' */
/** @import { Series } from './series.js' */

/**
 * @typedef {{
 *   request: JournalEntry,
 *   before: JournalEntry | undefined,
 *   fault: Fault | undefined,
 *   now: string,
 * }} Try
 */
/** @typedef {{ series: Series, who: string, tries: Try[] }} Step */

export class JournalView {
  #list;
  #empty = byId('no-requests', HTMLElement);
  /** Addresses by user, from the mails, because the journal has none. @type {Map<string, string>} */
  #addresses = new Map();

  /** @param {(userId: string) => void} pick shows the requests of one user only */
  constructor(pick) {
    this.#list = new KeyedList(
      byId('series', HTMLElement),
      (/** @type {Step} */ { series }) => series.key,
      (step) => makeStep(step, pick),
    );
  }

  /**
   * @param {Glance} glance
   * @param {string} userId whose requests to show; empty for all
   */
  show(glance, userId) {
    this.#learn(glance);
    const { requests, struck, now } = glance;
    const steps = seriesOf(requests).map((series) => ({
      series,
      who: this.nameOf(series.first.userId, series.first.contact),
      tries: series.tries.map((request, n) => ({
        request,
        before: series.tries[n - 1],
        fault: struck.find(({ id }) => id === request.fault),
        now,
      })),
    }));
    this.#list.show(steps);
    this.#empty.hidden = requests.length > 0;
    setText(
      this.#empty,
      userId === ''
        ? 'No request yet. They appear here as the service sends them.'
        : 'No request of this user. Show all, or wait for one.',
    );
  }

  /**
   * Names a user by the address or, if it is unknown, by the beginning of the id.
   *
   * @param {string | null} userId
   * @param {string | null} [contact]
   */
  nameOf(userId, contact) {
    return contact ?? this.#addresses.get(userId ?? '') ?? (userId ? `user ${shortId(userId)}` : '');
  }

  /** @param {Glance} glance */
  #learn({ mails, requests }) {
    const recipients = new Map(mails.map((mail) => [mail.otpId, recipientOf(mail)]));
    for (const { userId, otpId, effect } of requests) {
      const sent = /** @type {{ otpId?: string } | null} */ (effect)?.otpId;
      const address = recipients.get(sent ?? otpId ?? '');
      if (userId && address) this.#addresses.set(userId, address);
    }
  }
}

/**
 * @param {Step} step
 * @param {(userId: string) => void} pick
 */
function makeStep({ series: { route, first } }, pick) {
  const title = make('h3', '', routeWords(route), ' ', make('span', 'quiet route', route));
  const count = make('span', 'count');
  const { userId } = first;
  const who = userId ? makeButton('link', '', () => pick(userId)) : make('span', 'quiet');
  if (userId) who.title = `Only the requests of ${userId}`;
  const list = make('ol', 'tries');
  /** @type {KeyedList<Try>} */
  const tries = new KeyedList(list, ({ request }) => keyOf(request), makeTry);
  return {
    element: make('li', 'card step', make('div', 'step-head', title, count), who, list),
    /** @param {Step} step */
    update: (step) => {
      setText(who, step.who);
      count.hidden = step.tries.length < 2;
      setText(count, counted(step.tries.length, 'try', 'tries'));
      tries.show(step.tries);
    },
  };
}

/** @param {Try} attempt */
function makeTry({ request }) {
  const pill = make('span');
  const time = make('time');
  time.dateTime = request.at;
  const gap = make('span');
  const effect = make('span');
  const fault = make('span');
  const element = make(
    'li',
    '',
    pill,
    make('span', 'when quiet', time, gap),
    make('span', 'what', effect, fault),
  );
  return {
    element,
    /** @param {Try} attempt */
    update: ({ request, before, fault: struck, now }) => {
      const { text, tone } = answerWords(request.answer);
      pill.className = `pill ${tone}`;
      setText(pill, text);
      setText(time, exactTime(request.at, now));
      setText(gap, before ? gapWords(before.at, request.at) : '');
      setText(effect, effectWords(request.effect));
      effect.className = 'effect';
      setText(fault, struck ? `fault: ${faultWords(struck)}` : '');
      fault.className = 'struck';
    },
  };
}
