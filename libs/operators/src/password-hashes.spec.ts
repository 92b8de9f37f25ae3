import { scryptSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '#libs/kernel';
import { PasswordHashes } from './password-hashes.js';

const hashesAt = (logN = 10) => new PasswordHashes({ OPS_SCRYPT_LOG_N: logN });

/** A hash with cheap parameters, as an older version may have stored it. */
function cheap(password: string): string {
  const salt = Buffer.alloc(16, 1);
  const bare = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const hash = scryptSync(password, salt, 32, { N: 2 ** 4, r: 8, p: 1 });
  return `$scrypt$ln=4,r=8,p=1$${bare(salt)}$${bare(hash)}`;
}

describe('PasswordHashes', () => {
  it('hashes with N = 2^17, r = 8, p = 1 and a random salt, and recognizes the password', async () => {
    const hashes = hashesAt(17);
    const [one, two] = await Promise.all([
      hashes.hash('caf\u00e9 au lait'),
      hashes.hash('caf\u00e9 au lait'),
    ]);
    expect(one).toMatch(/^\$scrypt\$ln=17,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(two).not.toBe(one);
    expect(await hashes.isRight('cafe\u0301 au lait', one)).toBe(true);
    expect(await hashes.isRight('cafe au lait', one)).toBe(false);
  });

  it('checks a password with the parameters in its hash, so that newer hashes can cost more', async () => {
    expect(await hashesAt().isRight('old', cheap('old'))).toBe(true);
  });

  it.each([10, 11])('refuses every password for an unknown account, at the same cost: 2^%i', async (logN) => {
    const hashes = hashesAt(logN);
    expect(await hashes.isRight('', null)).toBe(false);
    expect(hashes.work).toBe(2 ** logN * 8);
    const stored = await hashes.hash('x');
    await hashes.isRight('y', stored);
    expect(hashes.work).toBe(3 * 2 ** logN * 8);
  });

  it('refuses a stored text that is not a hash', async () => {
    await expect(hashesAt().isRight('x', '$scrypt$ln=99')).rejects.toThrow('not a scrypt hash');
  });

  it('refuses logins if too many wait, and accepts logins again afterwards', async () => {
    const hashes = hashesAt();
    const stored = cheap('x');
    const ends = await Promise.allSettled(Array.from({ length: 50 }, () => hashes.isRight('x', stored)));
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as ProblemError] : []));
    // Two logins run and sixteen wait.
    expect(refused).toHaveLength(32);
    expect(refused[0]).toMatchObject({ code: 'rate_limited', retryAfterS: 5 });
    expect(hashes.work).toBe(18 * 2 ** 4 * 8);
    expect(await hashes.isRight('x', stored)).toBe(true);
  });
});
