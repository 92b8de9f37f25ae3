/**
 * Inserts strings as text, never as HTML, because they may come from other parties.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | undefined | ((event: Event) => void)>} [attributes] and listeners
 * @param {...(Node | string | false | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/**
 * Lines may break after "@" and dots of the e-mail address, but not between the address and `after`.
 *
 * @param {string} text @param {string} [after]
 */
export function address(text, after = '') {
  const parts = text.split(/(?<=[@.])/).flatMap((part) => [part, el('wbr')]);
  return el('span', { class: 'address' }, el('strong', {}, ...parts.slice(0, -1)), after);
}
