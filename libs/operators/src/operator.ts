import type { Role } from '#libs/kernel';

export type LoginWay = 'oidc' | 'emergency' | 'link';

/** An operator who is logged in to the console. */
export interface Operator {
  /** The name in the audit. Names of emergency logins and of links begin with `emergency:` and `link:`. */
  readonly name: string;
  readonly role: Role;
  readonly how: LoginWay;
  /**
   * Identifies the person, because two persons may have one name: issuer and `sub` for OpenID Connect, else
   * the name.
   */
  readonly identity: string;
}

export interface Login {
  operator: Operator;
  token: string;
}

export interface OperatorSession extends Operator {
  /** Identifies the session in a form. It is not the token. */
  id: string;
  address: string;
  beganAt: Date;
  lastUsedAt: Date;
  isThis: boolean;
}

const LONGEST_NAME = 64;

/**
 * The name of a person, for the audit. Removes invisible and direction characters, which could make a name
 * look like another one. Removes colons, because only the console writes `emergency:` and `link:`.
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
