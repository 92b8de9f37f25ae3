let aheadMs = 0;

/**
 * Sets our watch by the server's: a user's clock may be minutes off, and a countdown with it.
 *
 * @param {string | undefined} now of the server, in whole seconds: at most one second behind
 * @param {string} [past] an instant, more exact, that was before: right after it no countdown shows a second too much
 */
export function setClock(now, past) {
  const at = Math.max(Date.parse(now ?? ''), Date.parse(past ?? now ?? ''));
  if (!Number.isNaN(at)) aheadMs = at - Date.now();
}

/** @param {string | null | undefined} at RFC 3339 @returns {number} whole seconds until then, 0 once it is past */
export function secondsUntil(at) {
  if (!at) return 0;
  return Math.max(0, Math.ceil((Date.parse(at) - Date.now() - aheadMs) / 1000));
}

/** @param {number} s @returns {string} e.g. `27 s`, `4:05 min` */
export function duration(s) {
  if (s < 60) return `${s} s`;
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')} min`;
}

/** @param {string | null | undefined} at RFC 3339 @returns {string} as the user's own clock shows it */
export function timeOfDay(at) {
  return at ? new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) : '';
}
