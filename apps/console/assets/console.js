/** The console's own script, besides htmx. The pages can be read without it. */

/** Disables a button while its request runs. */
document.addEventListener('submit', ({ target, submitter }) => {
  if (target.method !== 'post') return;
  submitter?.setAttribute('aria-busy', 'true');
  // Later, because a browser does not send the value of a disabled button.
  setTimeout(() => submitter?.setAttribute('disabled', ''));
});

// Another action needs another dry run.
document.getElementById('action')?.addEventListener('change', ({ target }) => target.form.requestSubmit());

// A page that comes back from the browser's history must work again.
addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('button[aria-busy]')) {
    button.removeAttribute('aria-busy');
    button.removeAttribute('disabled');
  }
});

/** Stops refreshes of a hidden page, and of a page with an open form: its text would be lost. */
function holdBack(event) {
  const live = document.getElementById('live');
  const isHeld = Boolean(live?.querySelector('details[open] form'));
  live?.classList.toggle('held', isHeld);
  if (document.hidden || isHeld) event.preventDefault();
}
document.addEventListener('htmx:before:request', holdBack);
document.addEventListener('htmx:before:swap', holdBack);

/** Marks the live part as stale after a failure, or shows the login if the session has ended. */
function showOutcome(event) {
  const status = event.detail?.ctx?.response?.raw?.status ?? event.detail?.ctx?.response?.status;
  if (status === 401) location.reload();
  document.getElementById('live')?.classList.toggle('stale', status !== 200);
}
document.addEventListener('htmx:after:request', showOutcome);
document.addEventListener('htmx:error', showOutcome);
