import { BoundedLog } from './bounded-log.js';

/** A mail that a real upstream would have sent, or a text message; `at` is ISO 8601 by the sandbox's clock. */
export interface Mail {
  otpId: string;
  /** Empty for a text message. */
  email: string;
  code: string;
  at: string;
  /** Turnkey's only: the address, or the phone number (E.164). */
  contact?: string;
  channel?: 'email' | 'sms';
  /** Turnkey's only: how the message was to look, and who was to have sent it. */
  message?: object;
}

/** Which mails to show; what is missing does not narrow them down. */
export interface MailFilter {
  email?: string | undefined;
  otpId?: string | undefined;
  /** An address or a phone number. */
  contact?: string | undefined;
}

/** The mails sent, for a test or a demo to read codes from. */
export class Mailbox {
  readonly #mails = new BoundedLog<Mail>();

  deliver(mail: Mail): void {
    this.#mails.add(mail);
  }

  /** The mails to an address or phone number, or of one code, newest first; all of them without a filter. */
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
