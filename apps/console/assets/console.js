/** What the console's pages do in a browser besides htmx. They can be read without it. */

/** Shows that a button works, and that it need not be pressed again. */
document.addEventListener('submit', ({ target, submitter }) => {
  if (target.method !== 'post') return;
  submitter?.setAttribute('aria-busy', 'true');
  // Later, because the value of a disabled button is not sent.
  setTimeout(() => submitter?.setAttribute('disabled', ''));
});

// A page that comes back from the browser's history must work again.
addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('button[aria-busy]')) {
    button.removeAttribute('aria-busy');
    button.removeAttribute('disabled');
  }
});

/** Keeps a page as it is while nobody sees it, and while a form is open, whose text would be lost. */
function keep(event) {
  const live = document.getElementById('live');
  const isHeld = Boolean(live?.querySelector('details[open] form'));
  live?.classList.toggle('held', isHeld);
  if (document.hidden || isHeld) event.preventDefault();
}
document.addEventListener('htmx:before:request', keep);
document.addEventListener('htmx:before:swap', keep);

/** Says that the live part is old, or shows the login if the session has ended. */
function renewed(event) {
  const status = event.detail?.ctx?.response?.raw?.status ?? event.detail?.ctx?.response?.status;
  if (status === 401) location.reload();
  document.getElementById('live')?.classList.toggle('stale', status !== 200);
}
document.addEventListener('htmx:after:request', renewed);
document.addEventListener('htmx:error', renewed);
