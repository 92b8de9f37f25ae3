import { openEvents } from './ceremony.js';
import { byId, el } from './elements.js';
import { eventWords } from './event-words.js';

const REOPEN_AFTER_MS = 3_000;

export class Timeline {
  #list = byId('timeline');
  #empty = byId('timeline-empty');
  #lastSeq = 0;
  /** @type {EventSource | undefined} */
  #stream;

  /** @param {() => void} onChange called after each event, and after a break of the stream */
  constructor(onChange) {
    this.onChange = onChange;
    // Keep the newest event visible when the window is resized.
    if (this.#list.parentElement) new ResizeObserver(() => this.#toEnd()).observe(this.#list.parentElement);
  }

  follow() {
    this.stop();
    const stream = openEvents();
    this.#stream = stream;
    stream.addEventListener('message', ({ data }) => this.#add(JSON.parse(data)));
    stream.addEventListener('error', () => {
      // EventSource reconnects by itself, with Last-Event-ID, except after an answer that is not a stream.
      if (stream.readyState !== EventSource.CLOSED || this.#stream !== stream) return;
      setTimeout(() => this.#stream === stream && this.onChange(), REOPEN_AFTER_MS);
    });
  }

  stop() {
    this.#stream?.close();
    this.#stream = undefined;
    this.#lastSeq = 0;
    this.#list.replaceChildren();
    this.#empty.hidden = false;
  }

  /** Opens the stream again after an error for which EventSource does not reconnect. */
  revive() {
    if (this.#stream?.readyState !== EventSource.CLOSED) return;
    const seen = this.#lastSeq;
    const shown = [...this.#list.children];
    this.follow();
    this.#lastSeq = seen;
    this.#list.replaceChildren(...shown);
    this.#empty.hidden = seen > 0;
  }

  /** @param {import('./event-words.js').TimelineEvent} event */
  #add(event) {
    if (event.seq <= this.#lastSeq) return;
    this.#lastSeq = event.seq;
    this.#empty.hidden = true;
    const { text, tone } = eventWords(event);
    const at = new Date(event.at);
    const time = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
    this.#list.append(
      el(
        'li',
        { class: tone },
        el('time', { datetime: event.at }, time),
        el('span', { class: 'what' }, text),
        el('code', {}, event.type),
      ),
    );
    this.#toEnd();
    this.onChange();
  }

  #toEnd() {
    const panel = this.#list.parentElement;
    if (panel) panel.scrollTop = panel.scrollHeight;
  }
}
