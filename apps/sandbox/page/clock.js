import { change } from './api.js';
import { byId, setText } from './dom.js';
import { exactTime } from './times.js';
/** @import { Glance } from '../src/control/glance.js' */

/** A smaller difference from the browser's clock is only the delay of the answer. */
const MOVED_MS = 5_000;

/**
 * Moves only the time at which codes and sessions expire. The caller's clock does not move, so neither does
 * the time for timestamps in requests.
 */
export class ClockView {
  #aheadMs = 0;
  #text = byId('clock', HTMLElement);
  #back = byId('clock-back', HTMLElement);

  /**
   * @param {(change: () => Promise<void>, done: string) => Promise<void>} act makes a change,
   *   then refreshes the page
   */
  constructor(act) {
    const advance = (/** @type {number} */ advanceMs, /** @type {string} */ done) =>
      void act(() => change('POST', 'clock', { advanceMs, livesOnly: true }), done);
    for (const button of document.querySelectorAll('button[data-advance-ms]')) {
      const advanceMs = Number(button.getAttribute('data-advance-ms'));
      button.addEventListener('click', () => advance(advanceMs, 'The clock is moved'));
    }
    this.#back.addEventListener('click', () => {
      // Move the focus before the next refresh hides the button.
      byId('clock-title', HTMLElement).focus();
      advance(-this.#aheadMs, 'The clock is back');
    });
  }

  /** @param {Glance} glance */
  show({ now }) {
    this.#aheadMs = Date.parse(now) - Date.now();
    const moved = Math.abs(this.#aheadMs) >= MOVED_MS;
    this.#back.hidden = !moved;
    const direction = this.#aheadMs > 0 ? 'ahead' : 'behind';
    const minutes = `${Math.round(Math.abs(this.#aheadMs) / 6_000) / 10} min ${direction}`;
    setText(this.#text, `It is ${exactTime(now, now)} here${moved ? ` (${minutes})` : ''}.`);
  }
}
