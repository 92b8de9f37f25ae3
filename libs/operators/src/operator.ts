import type { Role } from '#libs/kernel';

export type LoginWay = 'oidc' | 'emergency' | 'link';

export interface Operator {
  /** The name in the audit: `emergency:…` after an emergency login, `link:…` after a login by link. */
  readonly name: string;
  readonly role: Role;
  readonly how: LoginWay;
  /**
   * Identifies the person, because two persons may have the same name: for OpenID Connect, the issuer and
   * `sub`.
   */
  readonly identity: string;
}

export interface Login {
  operator: Operator;
  token: string;
}

export interface OperatorSession extends Operator {
  /** Identifies the session in forms. It is not the session's token. */
  id: string;
  address: string;
  beganAt: Date;
  lastUsedAt: Date;
  isThis: boolean;
}

const LONGEST_NAME = 64;

/**
 * Removes invisible and direction characters, which could make the name look like another one, and colons,
 * because only the console may write `emergency:` and `link:`.
 */
export const cleanName = (text: string): string =>
  [
    ...text
      .normalize('NFKC')
      .replaceAll(/[\p{C}:]+/gu, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
  ]
    .slice(0, LONGEST_NAME)
    .join('')
    .trim();
