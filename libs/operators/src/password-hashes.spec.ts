import { scryptSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '#libs/kernel';
import { PasswordHashes } from './password-hashes.js';

/** Of a cheaper one, as an older version may have left it. */
function cheap(password: string): string {
  const salt = Buffer.alloc(16, 1);
  const bare = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  const hash = scryptSync(password, salt, 32, { N: 2 ** 4, r: 8, p: 1 });
  return `$scrypt$ln=4,r=8,p=1$${bare(salt)}$${bare(hash)}`;
}

describe('PasswordHashes', () => {
  it('hashes with N = 2^17, r = 8, p = 1 and a salt of its own, and knows the password again', async () => {
    const hashes = new PasswordHashes();
    const [one, two] = await Promise.all([
      hashes.hash('caf\u00e9 au lait'),
      hashes.hash('caf\u00e9 au lait'),
    ]);
    expect(one).toMatch(/^\$scrypt\$ln=17,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(two).not.toBe(one);
    expect(await hashes.isRight('cafe\u0301 au lait', one)).toBe(true);
    expect(await hashes.isRight('cafe au lait', one)).toBe(false);
  });

  it('goes by the parameters that are stored, so that they can be raised later', async () => {
    expect(await new PasswordHashes().isRight('old', cheap('old'))).toBe(true);
  });

  it('is right for nobody, at the same cost', async () => {
    const hashes = new PasswordHashes();
    expect(await hashes.isRight('', null)).toBe(false);
    expect(hashes.made).toBe(1);
  });

  it('takes no part of what is no hash for one', async () => {
    await expect(new PasswordHashes().isRight('x', '$scrypt$ln=99')).rejects.toThrow('no scrypt hash');
  });

  it('sends a flood away rather than queue it, and is well afterwards', async () => {
    const hashes = new PasswordHashes();
    const stored = cheap('x');
    const ends = await Promise.allSettled(Array.from({ length: 50 }, () => hashes.isRight('x', stored)));
    const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as ProblemError] : []));
    // Two run and sixteen wait.
    expect(refused).toHaveLength(32);
    expect(refused[0]).toMatchObject({ code: 'rate_limited', retryAfterS: 5 });
    expect(hashes.made).toBe(18);
    expect(await hashes.isRight('x', stored)).toBe(true);
  });
});
