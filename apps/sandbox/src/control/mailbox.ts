import { BoundedLog } from './bounded-log.js';

/** A mail that a real upstream would have sent; `at` is ISO 8601 by the sandbox's clock. */
export interface Mail {
  otpId: string;
  email: string;
  code: string;
  at: string;
}

/** The mails sent, for a test or a demo to read codes from. */
export class Mailbox {
  readonly #mails = new BoundedLog<Mail>();

  deliver(mail: Mail): void {
    this.#mails.add(mail);
  }

  /** The mails to an address or of one code, newest first; all of them without a filter. */
  list({ email, otpId }: { email?: string | undefined; otpId?: string | undefined } = {}): Mail[] {
    const address = email?.toLowerCase();
    return this.#mails
      .filter((mail) => address === undefined || mail.email.toLowerCase() === address)
      .filter((mail) => otpId === undefined || mail.otpId === otpId)
      .reverse();
  }

  reset(): void {
    this.#mails.clear();
  }
}
