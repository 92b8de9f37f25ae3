/** A word in a route: `v1`, `api-keys`, `openapi.json`. */
const WORD = /^(?:[vV]\d|[A-Za-z][a-z]{0,14}(?:[-_.][a-z]{1,14})*)$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Such as `accountId` and `clientDataJSON`. */
const MEMBER = /^[a-z][A-Za-z/~]*$/;
/** Longer texts may be random secrets. */
const LONGEST = 24;
const HIDDEN = '*';

const orHidden = (text: string, ...forms: RegExp[]) =>
  text === '' || (text.length <= LONGEST && forms.some((form) => form.test(text))) ? text : HIDDEN;

/**
 * @returns the path of a URL. Segments except words and UUIDs become `*`, because a sender may put a code, a
 *   token or an address into a path by mistake.
 */
export const shownPath = (url: string): string =>
  url
    .split('?', 1)[0]!
    .split('/')
    .map((segment) => (UUID.test(segment) ? segment : orHidden(segment, WORD)))
    .join('/');

/** @returns `*` if the text does not look like a name, because it may be a secret. */
export const shownMember = (name: string): string => orHidden(name, MEMBER, /^\d{1,3}$/);
