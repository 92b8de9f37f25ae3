import { BoundedLog } from './bounded-log.js';

/** A mail or text message; `at` is ISO 8601, by the sandbox's clock. */
export interface Mail {
  otpId: string;
  /** Empty for a text message. */
  email: string;
  code: string;
  at: string;
  /** Only for Turnkey: the address, or the phone number (E.164). */
  contact?: string;
  channel?: 'email' | 'sms';
  /** Only for Turnkey: the requested appearance and sender. */
  message?: object;
}

/** A missing member matches all mails. */
export interface MailFilter {
  email?: string | undefined;
  otpId?: string | undefined;
  contact?: string | undefined;
}

/** Tests and demos read the codes here. */
export class Mailbox {
  readonly #mails = new BoundedLog<Mail>();

  deliver(mail: Mail): void {
    this.#mails.add(mail);
  }

  /** @returns the mails, newest first */
  list({ email, otpId, contact }: MailFilter = {}): Mail[] {
    const address = email?.toLowerCase();
    const recipient = contact?.toLowerCase();
    return this.#mails
      .filter((mail) => address === undefined || mail.email.toLowerCase() === address)
      .filter((mail) => otpId === undefined || mail.otpId === otpId)
      .filter((mail) => recipient === undefined || (mail.contact ?? mail.email).toLowerCase() === recipient)
      .reverse();
  }

  reset(): void {
    this.#mails.clear();
  }
}
