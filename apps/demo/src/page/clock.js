let aheadMs = 0;

/**
 * Sets the page's clock to the server's time, because the user's clock may be wrong.
 *
 * @param {string | undefined} now the server's time, rounded down to a whole second
 * @param {string} [past] a past instant; if it is later than `now`, it is nearer to the true time
 */
export function setClock(now, past) {
  const at = Math.max(Date.parse(now ?? ''), Date.parse(past ?? now ?? ''));
  if (!Number.isNaN(at)) aheadMs = at - Date.now();
}

/** @param {string | null | undefined} at RFC 3339 @returns {number} whole seconds; 0 if `at` is past */
export function secondsUntil(at) {
  if (!at) return 0;
  return Math.max(0, Math.ceil((Date.parse(at) - Date.now() - aheadMs) / 1000));
}

/** @param {number} s @returns {string} e.g. `27 s`, `4:05 min` */
export function duration(s) {
  if (s < 60) return `${s} s`;
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')} min`;
}

/** @param {string | null | undefined} at RFC 3339 @returns {string} in the user's time zone */
export function timeOfDay(at) {
  return at ? new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : '';
}
