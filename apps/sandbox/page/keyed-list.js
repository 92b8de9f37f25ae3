/**
 * `update` shows a newer state of the row's item.
 *
 * @template Item
 * @typedef {{ element: HTMLElement, update: (item: Item) => void }} Row
 */

/**
 * Keeps the element of each row that stays, so that a refresh does not lose focus, selection or scroll
 * position.
 *
 * @template Item
 */
export class KeyedList {
  /** @type {Map<string, Row<Item>>} */
  #rows = new Map();
  #list;
  #keyOf;
  #makeRow;

  /**
   * @param {HTMLElement} list
   * @param {(item: Item) => string} keyOf
   * @param {(item: Item) => Row<Item>} makeRow
   */
  constructor(list, keyOf, makeRow) {
    this.#list = list;
    this.#keyOf = keyOf;
    this.#makeRow = makeRow;
  }

  /** @param {readonly Item[]} items in the order to show; keys must be unique */
  show(items) {
    const keys = new Set(items.map(this.#keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    let next = this.#list.firstElementChild;
    for (const item of items) {
      const key = this.#keyOf(item);
      const row = this.#rows.get(key) ?? this.#makeRow(item);
      this.#rows.set(key, row);
      row.update(item);
      if (row.element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(row.element, next);
    }
  }
}
