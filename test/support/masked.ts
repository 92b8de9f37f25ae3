const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
const INSTANT = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;
const CHOSEN = /(127\.0\.0\.1:|[?&]cursor=)[^/&]+/g;
/**
 * Random keys, challenges, hashes and codes. The first pattern matches no word of the service, because none
 * has 20 characters and a digit. Without upper bounds, the second pattern would be slow for a long text.
 */
const RANDOM_FORMS = [
  /(?=[A-Za-z_-]*\d)[\w-]{20,}/,
  /\w{0,19}(?=[a-f]{0,19}\d)[0-9a-f]{12,}/,
  /^[\w+/=.~-]{40,}$/,
  /^\d{6}$/,
  /\b\d+(?= ms\b)/,
];
const RANDOM = new RegExp(RANDOM_FORMS.map(({ source }) => source).join('|'), 'gi');
/** Random base64url. One of forty such texts has no digit. */
const RANDOM_BYTES = /^(?=.*[a-z])(?=.*[A-Z])[\w-]{20,}$/;
/** Values that depend on timing. */
const MEASURED = /(Ms|Seconds)$|^(retryAfter|seq|traceId)$/;

/**
 * Writes values on one line, without what differs in each run: ids become numbers in the order of their first
 * use, times become minutes after `base`, and random texts and measured numbers become `~`. Omits empty
 * members.
 */
export function masked(base: number, ...values: unknown[]): string {
  const ids = new Map<string, string>();
  const idOf = (id: string) => {
    if (!ids.has(id)) ids.set(id, `#${ids.size + 1}`);
    return ids.get(id)!;
  };
  const text = (each: string) =>
    each
      .replace(UUID, idOf)
      .replace(INSTANT, (instant) => `${minutes(Date.parse(instant) - base)}m`)
      .replace(CHOSEN, '$1~')
      .replace(RANDOM, '~');
  const write = (each: unknown): string => {
    if (typeof each === 'string') return RANDOM_BYTES.test(each) ? '~' : text(each);
    if (Array.isArray(each)) return `[${each.map(write).join(', ')}]`;
    if (typeof each !== 'object' || each === null) return String(each);
    const members = Object.entries(each).filter(([, member]) => !isEmpty(member));
    const written = members.map(([key, member]) => `${key}: ${MEASURED.test(key) ? '~' : write(member)}`);
    return `{${written.join(', ')}}`;
  };
  return values.map(write).join(' ');
}

const minutes = (ms: number) => {
  const rounded = Math.round(ms / 60_000);
  return rounded > 0 ? `+${rounded}` : String(rounded || 0);
};

const isEmpty = (value: unknown) =>
  value === null || (typeof value === 'object' && Object.keys(value as object).length === 0);
