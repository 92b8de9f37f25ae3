/** Characters, as people count them; OWASP ASVS 5.0 §6.2.1 asks for 8 and recommends 15, without rules of composition. */
const SHORTEST = 12;
/** Characters beside names that everybody knows: ASVS's shortest password, by itself. */
const SHORTEST_BESIDE_NAMES = 8;
const PRODUCT = 'gangway';
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

/**
 * The one rule for passwords of people, whether they are typed or stand in the environment.
 *
 * @returns what is wrong with it, to follow "The password" or a variable's name, and never the password; null where nothing is.
 */
export function findPasswordFault(name: string, password: string): string | null {
  const canonical = canonicalPassword(password);
  const characters = [...canonical];
  const folded = canonical.toLowerCase();
  if (characters.length < SHORTEST) return `is shorter than ${SHORTEST} characters`;
  if (characters.length > LONGEST) return `is longer than ${LONGEST} characters`;
  if (!canonical.isWellFormed()) return 'holds half of a surrogate pair';
  if (new Set(folded).size < 4) return 'is made of less than four different characters';
  if (REFUSED.has(folded)) return 'is one of those that everybody tries first';
  // Both taken out before the rest is counted: each of them must not make up for the other.
  const rest = folded.replaceAll(canonicalPassword(name).trim().toLowerCase(), '').replaceAll(PRODUCT, '');
  if (rest !== folded && [...rest].length < SHORTEST_BESIDE_NAMES)
    return 'is little more than the name of its account or of the product';
  return null;
}
