/** A word of a route: `v1`, `api-keys`, `openapi.json`. */
const WORD = /^(?:[vV]\d|[A-Za-z][a-z]{0,14}(?:[-_.][a-z]{1,14})*)$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** `accountId`, `clientDataJSON`. */
const MEMBER = /^[a-z][A-Za-z/~]*$/;
/** Of a word or a name: what is made at random to be a secret is longer, and may happen to have no digit. */
const LONGEST = 24;
const HIDDEN = '*';

const orHidden = (text: string, ...forms: RegExp[]) =>
  text === '' || (text.length <= LONGEST && forms.some((form) => form.test(text))) ? text : HIDDEN;

/**
 * The path of a URL, for logs and answers: words and UUIDs as they are, and `*` for whatever else stands in it. Somebody
 * will put a code, a token or an address there, where no route has a place for one.
 */
export const shownPath = (url: string): string =>
  url
    .split('?', 1)[0]!
    .split('/')
    .map((segment) => (UUID.test(segment) ? segment : orHidden(segment, WORD)))
    .join('/');

/** The name of a member that somebody sent, if it looks like one, and `*` otherwise: it may be the secret itself. */
export const shownMember = (name: string): string => orHidden(name, MEMBER, /^\d{1,3}$/);
