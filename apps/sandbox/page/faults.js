import { change } from './api.js';
import { byId, make, makeButton, setText } from './dom.js';
import { KINDS, presetsOf } from './fault-kinds.js';
import { KeyedList } from './keyed-list.js';
import { faultWords, routeWords, shortId } from './words.js';
/** @import { FaultSpec } from '../src/control/fault.dto.js' */
/** @import { Fault } from '../src/control/faults.js' */
/** @import { Glance } from '../src/control/glance.js' */

export class FaultsView {
  #act;
  #list;
  #empty = byId('no-faults', HTMLElement);
  #route = byId('route', HTMLSelectElement);

  /**
   * @param {(change: () => Promise<void>, done: string) => Promise<void>} act makes a change,
   *   then refreshes the page
   */
  constructor(act) {
    this.#act = act;
    this.#list = new KeyedList(
      byId('pending', HTMLElement),
      (/** @type {Fault} */ { id }) => String(id),
      (fault) => this.#makeRow(fault),
    );
    const provider = byId('provider', HTMLSelectElement);
    provider.addEventListener('change', () => this.#offer(provider.value));
    this.#offer(provider.value);
    this.#prepareForm();
  }

  /** @param {Glance} glance */
  show({ faults, routes }) {
    this.#list.show(faults);
    this.#empty.hidden = faults.length > 0;
    if (this.#route.options.length === 0) {
      this.#route.append(...routes.map((route) => new Option(optionWords(route), route)));
    }
  }

  /** @param {FaultSpec} spec */
  #set(spec) {
    return this.#act(() => change('POST', 'faults', spec), 'The fault is set');
  }

  /** @param {string} provider */
  #offer(provider) {
    const buttons = presetsOf(provider).map(({ text, spec }) =>
      make(
        'li',
        '',
        makeButton('plain preset', text, () => void this.#set(spec)),
      ),
    );
    byId('presets', HTMLElement).replaceChildren(...buttons);
  }

  /** @param {Fault} fault */
  #makeRow(fault) {
    const left = make('span', 'quiet');
    const remove = makeButton('plain', 'Delete', () => {
      // Move the focus before the button disappears. Otherwise, it jumps to the top of the page.
      byId('faults-title', HTMLElement).focus();
      void this.#act(() => change('DELETE', `faults?id=${fault.id}`), 'Deleted');
    });
    const title = `${routeWords(fault.route)}: ${faultWords(fault)}`;
    remove.setAttribute('aria-label', `Delete: ${title}`);
    return {
      element: make('li', 'card fault', make('div', '', make('strong', '', title), left), remove),
      /** @param {Fault} fault */
      update: ({ remaining, userId }) => {
        const times = remaining === null ? 'until deleted' : `${remaining} × to come`;
        setText(left, userId ? `${times}, user ${shortId(userId)} only` : times);
      },
    };
  }

  #prepareForm() {
    const kind = byId('kind', HTMLSelectElement);
    kind.append(...KINDS.map(({ name, text }) => new Option(text, name)));
    const status = byId('status', HTMLInputElement);
    const needsStatus = () => (status.disabled = !KINDS.find(({ name }) => name === kind.value)?.answers);
    kind.addEventListener('change', needsStatus);
    byId('fault-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#set(specOf(kind.value));
    });
  }
}

/**
 * @param {string} kind
 * @returns {FaultSpec}
 */
function specOf(kind) {
  const number = (/** @type {string} */ id) => byId(id, HTMLInputElement).valueAsNumber;
  const userId = byId('only-user', HTMLInputElement).value.trim();
  const delayMs = Math.round(number('delay') * 1000);
  const chosen = KINDS.find(({ name }) => name === kind);
  return {
    route: byId('route', HTMLSelectElement).value,
    times: number('times'),
    ...chosen?.spec,
    ...(chosen?.answers && { status: number('status') }),
    ...(delayMs > 0 && { delayMs }),
    ...(userId !== '' && { match: { userId } }),
  };
}

/** @param {string} route */
function optionWords(route) {
  const words = routeWords(route);
  return words === route ? route : `${words} (${route})`;
}
