/** The roles on the console. Each role includes the rights of the roles before it. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Whether a role includes the rights of another role. */
export function mayActAs(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** An operator who is logged in to the console. */
export interface Operator {
  /** UUID. Null for the account from the environment (`OPS_USER`). */
  readonly id: string | null;
  readonly name: string;
  readonly role: Role;
  /** Whether another person chose the password. Then the operator must first replace it. */
  readonly mustChange: boolean;
}

/** A session of an operator, as the operator sees it. */
export interface OperatorSession {
  /** Identifies the session in a form. It is not the token. */
  id: string;
  address: string;
  beganAt: Date;
  lastUsedAt: Date;
  isThis: boolean;
}

/** An account in the list. */
export interface OperatorAccount {
  id: string;
  name: string;
  role: Role;
  createdAt: Date;
  passwordSetAt: Date;
  /** Whether the operator must still replace the first password. */
  mustChange: boolean;
  lastLoginAt: Date | null;
  disabledAt: Date | null;
}

const NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;

/** The canonical spelling of an account's name: NFKC, lower case, trimmed. */
export const canonicalName = (name: string) => name.normalize('NFKC').trim().toLowerCase();

/** Whether an account may have this name: 1 to 64 of a-z, 0-9, `.`, `_`, `@` and `-`. */
export const isOperatorName = (name: string) => NAME.test(name);
