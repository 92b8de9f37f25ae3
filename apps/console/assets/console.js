/** The pages can be read without this script and htmx. */

/** Disables a button while its request runs. */
document.addEventListener('submit', ({ target, submitter }) => {
  if (target.method !== 'post') return;
  submitter?.setAttribute('aria-busy', 'true');
  // The browser must read the form first, because it does not send the value of a disabled button.
  setTimeout(() => submitter?.setAttribute('disabled', ''));
});

// Another action needs a new dry run.
document.getElementById('action')?.addEventListener('change', ({ target }) => target.form.requestSubmit());

// When the browser shows the page again from its history, the buttons must work again.
addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('button[aria-busy]')) {
    button.removeAttribute('aria-busy');
    button.removeAttribute('disabled');
  }
});

/** Skips refreshes of a hidden page, and refreshes that would delete the text in an open form. */
function holdBack(event) {
  const live = document.getElementById('live');
  const isHeld = Boolean(live?.querySelector('details[open] form'));
  live?.classList.toggle('held', isHeld);
  if (document.hidden || isHeld) event.preventDefault();
}
document.addEventListener('htmx:before:request', holdBack);
document.addEventListener('htmx:before:swap', holdBack);

/** After the session's end, the reload shows the login. */
function showOutcome(event) {
  const status = event.detail?.ctx?.response?.raw?.status ?? event.detail?.ctx?.response?.status;
  if (status === 401) location.reload();
  document.getElementById('live')?.classList.toggle('stale', status !== 200);
}
document.addEventListener('htmx:after:request', showOutcome);
document.addEventListener('htmx:error', showOutcome);
