import { Refusal } from '../refusal.js';

/** A gRPC status. Turnkey plans to remove the member `code`. */
export interface TurnkeyError {
  code: number;
  message: string;
  details: { '@type': string; turnkeyErrorCode: string }[];
}

/** By HTTP status, from Turnkey's documentation (405: from gRPC gateways). */
const GRPC_CODES: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  405: 12,
  429: 8,
  500: 13,
};
const UNKNOWN = 2;

export const RATE_LIMITED =
  'this organization cannot execute activities because it has been rate limited. ' +
  'Please reach out to the Turnkey team (help@turnkey.com) for more information.';

/** By HTTP status: the text and code if a fault specifies no body. */
const SCRIPTED: Readonly<Record<number, [string, string]>> = {
  429: [RATE_LIMITED, 'RATE_LIMIT_EXCEEDED'],
  500: ['internal server error', 'INTERNAL'],
};

/** @param errorCode a documented `turnkeyErrorCode`; null makes `details` empty, as Turnkey allows */
export function turnkeyError(status: number, message: string, errorCode: string | null): TurnkeyError {
  const detail = (turnkeyErrorCode: string) => ({
    '@type': 'type.googleapis.com/errors.v1.TurnkeyErrorDetail',
    turnkeyErrorCode,
  });
  const details = errorCode === null ? [] : [detail(errorCode)];
  return { code: GRPC_CODES[status] ?? UNKNOWN, message, details };
}

export function scriptedTurnkeyError(status: number): TurnkeyError {
  const [message, errorCode] = SCRIPTED[status] ?? ['scripted fault', null];
  return turnkeyError(status, message, errorCode);
}

export class TurnkeyRefusal extends Refusal {
  constructor(
    status: number,
    text: string,
    readonly errorCode: string | null = null,
  ) {
    super(status, text);
  }

  override body(): TurnkeyError {
    return turnkeyError(this.status, this.message, this.errorCode);
  }
}
