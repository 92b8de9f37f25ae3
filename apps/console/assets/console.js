/** Marks the button that sends a form, so that a person sees that it works, and cannot send it twice. */
document.addEventListener('submit', ({ target, submitter }) => {
  if (!(target instanceof HTMLFormElement) || target.method !== 'post') return;
  submitter?.setAttribute('aria-busy', 'true');
  // Not at once: a disabled button's value would not be sent.
  setTimeout(() => submitter?.setAttribute('disabled', ''));
});

// A page that comes back from the browser's history must work again.
window.addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('button[aria-busy]')) {
    button.removeAttribute('aria-busy');
    button.removeAttribute('disabled');
  }
});
