/**
 * Makes Swagger UI accessible (docs/decisions/0033-the-docs-page.md). The stylesheet and the script are
 * texts, because the compiler copies only TypeScript files.
 */

/** Colours with a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3), and a visible focus (2.4.7). */
export const DOCS_STYLESHEET = `
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #1b7a4b; }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1f66b0; }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #b3261e; }
.swagger-ui .info .title small.version-stamp { background: #4b6b00; }
.swagger-ui .info a, .swagger-ui .renderedMarkdown a { color: #1f5fa8; }
.swagger-ui .btn.authorize { color: #1b7a4b; border-color: #1b7a4b; }
.swagger-ui .btn.authorize svg { fill: #1b7a4b; }
.swagger-ui .btn.cancel { color: #b3261e; border-color: #b3261e; }
@media (prefers-reduced-motion: reduce) { .swagger-ui * { transition: none !important; } }
.swagger-ui .btn.execute { background: #1f66b0; border-color: #1f66b0; }
.swagger-ui .download-contents { background: #565b6b; }
.swagger-ui .parameter__in, .swagger-ui .json-schema-2020-12-expand-deep-button { color: #4f4f4f; }
.swagger-ui .microlight span[style*="211, 99, 99"] { color: #f2a0a0 !important; }
.swagger-ui :focus-visible { outline: 3px solid #1f66b0; outline-offset: 2px; }
.swagger-ui .microlight:focus-visible { outline-offset: -3px; outline-color: #fff; }
`;

export const DOCS_SCRIPT = `'use strict';
const ATTRIBUTES = {
  '.information-container': { role: 'region', 'aria-label': 'About the API' },
  '.schemes-server-container': { role: 'region', 'aria-label': 'Server' },
  '#servers': { 'aria-label': 'Server' },
  'textarea.body-param__text': { 'aria-label': 'Request body' },
  'pre.microlight': { tabindex: '0' },
  '.modal-ux': { role: 'dialog', 'aria-label': 'Available authorizations' },
  '.close-modal': { 'aria-label': 'Close' },
  '.modal-ux button[type=submit]': { 'aria-label': 'Authorize' },
  '#auth-bearer-value': { 'aria-label': 'Value: the bearer token' },
};
const all = (selector) => document.querySelectorAll(selector);
let dialog = null;
let opener = null;

function mend() {
  for (const [selector, attributes] of Object.entries(ATTRIBUTES)) {
    for (const element of all(selector)) {
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    }
  }
  for (const select of all('tr[data-param-name] select')) {
    select.setAttribute('aria-label', select.closest('tr').dataset.paramName);
  }
  // A link inside a button does the same as the button, but would be a second stop for the Tab key.
  for (const link of all('button a[href]')) link.removeAttribute('href');
  moveFocus(document.querySelector('.modal-ux'));
}

function moveFocus(shown) {
  if (shown && !dialog) {
    opener = document.activeElement;
    (shown.querySelector('input') ?? shown.querySelector('button')).focus();
  } else if (!shown && dialog) {
    const isThere = opener.isConnected && opener !== document.body;
    (isThere ? opener : document.querySelector('.btn.authorize'))?.focus();
  }
  dialog = shown;
}

document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') dialog?.querySelector('.close-modal').click();
});
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
mend();
`;
