/**
 * The element of index.html with this id.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{ new (): T }} type its class
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`#${id} is missing`);
  return element;
}

/**
 * Makes an element. Strings become text, never HTML: mails carry addresses that anybody may have chosen.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/**
 * @param {string} className
 * @param {string} text
 * @param {() => void} act
 */
export function makeButton(className, text, act) {
  const button = make('button', className, text);
  button.type = 'button';
  button.addEventListener('click', act);
  return button;
}

/**
 * Changes a text only where it differs: a text that is written again loses what was selected in it.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Tells a screen reader what has happened.
 *
 * @param {string} text
 */
export function say(text) {
  const said = byId('said', HTMLElement);
  // The same text again would be no change, and so not be read out.
  said.textContent = said.textContent === text ? `${text}\u00a0` : text;
}
