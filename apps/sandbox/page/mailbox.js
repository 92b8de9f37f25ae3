import { byId, make, makeButton, say, setText } from './dom.js';
import { KeyedList } from './keyed-list.js';
import { exactTime, timeAgo } from './times.js';
/** @import { Glance } from '../src/control/glance.js' */
/** @import { Mail } from '../src/control/mailbox.js' */

const COPIED_MS = 2_000;

/** @typedef {Mail & { now: string }} MailSeen */

export class MailboxView {
  /** @type {KeyedList<MailSeen>} */
  #list = new KeyedList(byId('mails', HTMLElement), keyOf, makeRow);
  #empty = byId('no-mails', HTMLElement);
  /** @type {string | null} */
  #newest = null;

  /**
   * @param {Glance} glance
   * @param {string} address the part of an address to filter by; empty for no filter
   */
  show({ mails, now }, address) {
    this.#list.show(mails.map((mail) => ({ ...mail, now })));
    this.#empty.hidden = mails.length > 0;
    setText(
      this.#empty,
      address === ''
        ? 'No mail yet. Start an onboarding: its code arrives here.'
        : `No mail to an address with “${address}”. Empty the field to see all mails.`,
    );
    this.#announce(mails[0], now);
  }

  /**
   * @param {Mail | undefined} mail
   * @param {string} now
   */
  #announce(mail, now) {
    const newest = mail ? keyOf(mail) : '';
    // At the start, or after a change of the filter, the newest mail may be old.
    const isNews = mail && this.#newest !== null && Date.parse(now) - Date.parse(mail.at) < 5_000;
    if (isNews && newest !== this.#newest) say(`New mail to ${recipientOf(mail)}`);
    this.#newest = newest;
  }
}

/** @param {Mail} mail */
export const recipientOf = (mail) => mail.contact ?? mail.email;

/** @param {Mail} mail */
const keyOf = ({ otpId, at }) => `${otpId} ${at}`;

/** @param {Mail} mail */
function makeRow(mail) {
  const to = make('p', 'to', recipientOf(mail));
  const code = make('span', 'code', mail.code);
  const copy = makeButton('', 'Copy', () => void copyCode(mail.code, code, copy));
  copy.setAttribute('aria-label', `Copy the code for ${recipientOf(mail)}`);
  const time = make('time');
  time.dateTime = mail.at;
  const element = make('li', 'card mail', to, make('div', 'code-line', code, copy), make('p', 'quiet', time));
  return {
    element,
    /** @param {MailSeen} seen */
    update: ({ at, now }) => setText(time, `${timeAgo(at, now)}, ${exactTime(at, now)}`),
  };
}

/**
 * @param {string} code
 * @param {HTMLElement} shown
 * @param {HTMLElement} button
 */
async function copyCode(code, shown, button) {
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    // Some pages may not use the clipboard, e.g. without TLS. The user can copy the selection.
    getSelection()?.selectAllChildren(shown);
    say('The code is selected: copy it with the keyboard.');
    return;
  }
  say('Copied');
  setText(button, 'Copied ✓');
  setTimeout(() => setText(button, 'Copy'), COPIED_MS);
}
