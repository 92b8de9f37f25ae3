const EXACT = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const AGO = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/**
 * Adds the date if the instant is not today.
 *
 * @param {string} at ISO 8601
 * @param {string} now ISO 8601
 */
export function exactTime(at, now) {
  const date = new Date(at);
  const time = EXACT.format(date);
  return DAY.format(date) === DAY.format(new Date(now)) ? time : `${DAY.format(date)}, ${time}`;
}

/**
 * The instant may lie in the future, because the clock can be set back.
 *
 * @param {string} at ISO 8601
 * @param {string} now ISO 8601
 */
export function timeAgo(at, now) {
  const s = Math.round((Date.parse(at) - Date.parse(now)) / 1000);
  // A text that changes every second would distract the reader.
  if (Math.abs(s) < 10) return 'just now';
  if (Math.abs(s) < 60) return AGO.format(Math.trunc(s / 10) * 10, 'second');
  if (Math.abs(s) < 3_600) return AGO.format(Math.trunc(s / 60), 'minute');
  if (Math.abs(s) < 86_400) return AGO.format(Math.trunc(s / 3_600), 'hour');
  return AGO.format(Math.trunc(s / 86_400), 'day');
}

/**
 * @param {string} from ISO 8601
 * @param {string} to ISO 8601
 */
export function gapWords(from, to) {
  const ms = Math.max(0, Date.parse(to) - Date.parse(from));
  if (ms < 60_000) return `+${(ms / 1000).toFixed(1)} s`;
  return `+${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
}
