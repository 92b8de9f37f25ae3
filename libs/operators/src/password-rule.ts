import { ProblemError } from '#libs/kernel';

/** Characters, as people count them; OWASP ASVS 5.0 §6.2.1 asks for 8 and recommends 15, without rules of composition. */
const SHORTEST = 12;
/** A text that is hashed for 400 ms has an end. ASVS 5.0 §6.2.9: at least 64. */
const LONGEST = 128;

/** What people choose who are asked for twelve characters. Longer ones made of them are no better. */
const COMMON = [
  '123456789012',
  '1234567890123',
  '123123123123',
  '012345678910',
  '121212121212',
  '112233445566',
  'abcdefghijkl',
  'abc123abc123',
  'administrator',
  'administrator1',
  'changemechangeme',
  'changeme1234',
  'changeme12345',
  'correcthorsebatterystaple',
  'iloveyou1234',
  'iloveyouforever',
  'letmein12345',
  'letmeinplease',
  'p@ssw0rd1234',
  'password1234',
  'password12345',
  'password123456',
  'password123!',
  'passwordpassword',
  'passw0rd1234',
  'qwerty123456',
  'qwertyqwerty',
  'qwertyuiop12',
  'qwertyuiop123',
  'qwertyuiopasdf',
  '1q2w3e4r5t6y',
  '1qaz2wsx3edc',
  'qazwsxedcrfv',
  'asdfghjkl123',
  'asdfghjklzxcvbnm',
  'trustno1trustno1',
  'welcome12345',
  'welcome123456',
  'gangwaygangway',
  'gangway12345',
  'gangway123456',
];
const REFUSED: ReadonlySet<string> = new Set(COMMON);

/** The one form of a password whose keys were pressed on different keyboards (Unicode NFKC; NIST SP 800-63B §3.1.1.2). */
export const canonicalPassword = (password: string) => password.normalize('NFKC');

/** Whether a typed password can be anybody's: nothing longer is ever hashed. */
export const isOfAnyLength = (password: string) => [...canonicalPassword(password)].length <= LONGEST;

/** @throws ProblemError `validation_failed` that says what is wrong, and never the password. */
export function checkNewPassword(name: string, password: string): void {
  const canonical = canonicalPassword(password);
  const characters = [...canonical];
  const folded = canonical.toLowerCase();
  if (characters.length < SHORTEST) throw refused(`is shorter than ${SHORTEST} characters`);
  if (characters.length > LONGEST) throw refused(`is longer than ${LONGEST} characters`);
  if (!canonical.isWellFormed()) throw refused('holds half of a surrogate pair');
  if (new Set(folded).size < 4) throw refused('is made of less than four different characters');
  if (REFUSED.has(folded)) throw refused('is one of those that everybody tries first');
  if (folded.includes(name) && characters.length - name.length < SHORTEST / 2)
    throw refused('is little more than the name');
}

const refused = (why: string) => new ProblemError('validation_failed', { detail: `The password ${why}.` });
