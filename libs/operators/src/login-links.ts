import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { ProblemError, type Role } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { cleanName, type Operator } from './operator.js';
import { MAKE_LINK, USE_LINK } from './statements.js';

export const LINK_LIFE_MS = 15 * 60_000;

export interface NewLink {
  name: string;
  role: Role;
  lifeMs?: number;
}

/** Only the command line on the host makes links. */
@Injectable()
export class LoginLinks {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly hash: KeyedHash,
  ) {}

  /**
   * @returns the token, and the operator's name as the audit shows it.
   * @throws ProblemError `validation_failed` if the name has no visible character.
   */
  async make({ role, lifeMs = LINK_LIFE_MS, ...given }: NewLink): Promise<{ token: string; name: string }> {
    const name = cleanName(given.name);
    if (name === '') throw new ProblemError('validation_failed', { detail: 'The link needs a name.' });
    const made = { token: randomBytes(32).toString('base64url'), name: `link:${name}` };
    const life = Math.min(lifeMs, LINK_LIFE_MS);
    await this.statements.run(MAKE_LINK, [this.#hashOf(made.token), made.name, role, life]);
    return made;
  }

  /** @returns null if the link is unknown, used or expired. */
  async use(token: string): Promise<Operator | null> {
    const [link] = await this.statements.run<{ name: string; role: Role }>(USE_LINK, [this.#hashOf(token)]);
    // Random, because two links with the same name may belong to two persons.
    return link ? { ...link, how: 'link', identity: `${link.name}:${randomBytes(8).toString('hex')}` } : null;
  }

  #hashOf(token: string): Buffer {
    return this.hash.digest('login link', token);
  }
}

/** The page of this URL has a button, so that a preview of the URL does not use up the link. */
export const loginLink = (consoleOrigin: string, token: string) =>
  `${consoleOrigin}/login/link?token=${token}`;
