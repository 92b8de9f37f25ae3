/** In code points. OWASP ASVS 5.0 §6.2.1 requires 8 and recommends 15, without rules about the kinds. */
const SHORTEST = 12;
/** The number of characters besides the names of the account and the product: ASVS's shortest password. */
const SHORTEST_BESIDE_NAMES = 8;
const PRODUCT = 'gangway';
/** Limits the text, because a hash takes 400 ms. ASVS 5.0 §6.2.9 requires at least 64. */
const LONGEST = 128;

/** Common passwords of twelve or more characters. */
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

/** The same password on all keyboards (Unicode NFKC; NIST SP 800-63B §3.1.1.2). */
export const canonicalPassword = (password: string) => password.normalize('NFKC');

/** Whether a typed password is short enough to be hashed. No account has a longer password. */
export const isOfAnyLength = (password: string) => [...canonicalPassword(password)].length <= LONGEST;

/**
 * The rule for the passwords of people, typed or in the environment.
 *
 * @returns the fault without the password, to follow "The password" or a variable's name. Null if none.
 */
export function findPasswordFault(name: string, password: string): string | null {
  const canonical = canonicalPassword(password);
  const characters = [...canonical];
  const folded = canonical.toLowerCase();
  if (characters.length < SHORTEST) return `is shorter than ${SHORTEST} characters`;
  if (characters.length > LONGEST) return `is longer than ${LONGEST} characters`;
  if (!canonical.isWellFormed()) return 'holds half of a surrogate pair';
  if (new Set(folded).size < 4) return 'is made of less than four different characters';
  if (REFUSED.has(folded)) return 'is a common password';
  // Both names are removed before counting, so that one name cannot replace characters for the other.
  const rest = folded.replaceAll(canonicalPassword(name).trim().toLowerCase(), '').replaceAll(PRODUCT, '');
  if (rest !== folded && [...rest].length < SHORTEST_BESIDE_NAMES)
    return 'is little more than the name of its account or of the product';
  return null;
}
