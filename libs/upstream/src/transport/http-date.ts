const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const TIME = '(?<time>\\d{2}:\\d{2}:\\d{2})';
const MONTH = `(?<month>${MONTHS.join('|')})`;

/** The three forms of RFC 9110 §5.6.7. Names are case-sensitive. */
const FORMS = [
  `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d{2}) ${MONTH} (?<year>\\d{4}) ${TIME} GMT`,
  `(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d{2})-${MONTH}-(?<year>\\d{2}) ${TIME} GMT`,
  `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (?<day>\\d{2}| \\d) ${TIME} (?<year>\\d{4})`,
].map((form) => new RegExp(`^${form}$`));

/**
 * `Date.parse` would read the form `asctime` as local time and accept nearly any text.
 *
 * @returns Unix time in ms, or null if the header is absent, present twice, or not a date.
 */
export function httpDate(field: string | string[] | undefined): number | null {
  const text = (Array.isArray(field) && field.length === 1 ? field[0] : field) ?? '';
  if (typeof text !== 'string') return null;
  const { day, month, year, time } = partsOf(text.trim());
  if (!day || !month || !year || !time) return null;
  const [hour, minute, second] = time.split(':').map(Number) as [number, number, number];
  // Second 60 is a leap second.
  if (hour > 23 || minute > 59 || second > 60) return null;
  const at = new Date(0);
  at.setUTCFullYear(
    year.length === 2 ? fullYear(Number(year)) : Number(year),
    MONTHS.indexOf(month),
    Number(day),
  );
  if (at.getUTCDate() !== Number(day)) return null;
  return at.getTime() + ((hour * 60 + minute) * 60 + second) * 1_000;
}

function partsOf(text: string): Record<string, string | undefined> {
  for (const form of FORMS) {
    const match = form.exec(text);
    if (match?.groups) return match.groups;
  }
  return {};
}

/** A two-digit year that would be more than 50 years ahead is in the past (RFC 9110 §5.6.7). */
function fullYear(twoDigits: number): number {
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + twoDigits;
  return year > now + 50 ? year - 100 : year;
}
