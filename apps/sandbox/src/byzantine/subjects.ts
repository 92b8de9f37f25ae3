import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';

/** An account and one of its users. Codes are mailed to `email`. */
export interface Subject {
  accountId: string;
  userId: string;
  email: string;
}

export class Subjects {
  readonly #emails = new Map<string, Map<string, string>>();

  /** @param acceptAny whether to accept unknown accounts and users, with `<userId>@sandbox.example` */
  constructor(private readonly acceptAny: boolean) {}

  add({ accountId, userId, email }: Subject): void {
    const users = this.#emails.get(accountId) ?? new Map<string, string>();
    this.#emails.set(accountId, users.set(userId, email));
  }

  /** @throws Refusal 404 `account not found` or `user not found` */
  load(accountId: string, userId: string): Subject {
    const users = this.#emails.get(accountId);
    const email = users?.get(userId);
    if (email !== undefined) return { accountId, userId, email };
    if (this.acceptAny) return { accountId, userId, email: `${userId}@sandbox.example` };
    throw new Refusal(404, users ? errorTexts.userNotFound : errorTexts.accountNotFound);
  }

  reset(): void {
    this.#emails.clear();
  }
}
