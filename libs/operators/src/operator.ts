/** What an operator may do on the console: each may do what those before may. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** Whether a role is enough where another is asked for. */
export function mayActAs(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Who is logged in to the console. */
export interface Operator {
  /** UUID; null for the environment's own account (`OPS_USER`). */
  readonly id: string | null;
  readonly name: string;
  readonly role: Role;
  /** Whether the password is somebody else's choice: nothing is open until another one has been chosen. */
  readonly mustChange: boolean;
}

/** One of an operator's logins, as they see it. */
export interface OperatorSession {
  /** Names it in a form; opens nothing. */
  id: string;
  address: string;
  beganAt: Date;
  lastUsedAt: Date;
  isThis: boolean;
}

/** An account as it is listed. */
export interface OperatorAccount {
  id: string;
  name: string;
  role: Role;
  createdAt: Date;
  passwordSetAt: Date;
  /** Whether it has yet to be replaced by one of the operator's own. */
  mustChange: boolean;
  lastLoginAt: Date | null;
  disabledAt: Date | null;
}

const NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;

/** The one spelling of an account's name: compatibility forms folded (NFKC), lower case, no spaces around it. */
export const canonicalName = (name: string) => name.normalize('NFKC').trim().toLowerCase();

/** Whether an account may have this name: 1 to 64 of a-z, 0-9, `.`, `_`, `@` and `-`. */
export const isOperatorName = (name: string) => NAME.test(name);
