import { SignerError } from '../request-signer.js';

/** Client errors by their status that say "not now" all the same (AWS KMS, common errors; SDK retry behaviour). */
const NOT_NOW = /Throttl|TooManyRequests|LimitExceeded|SlowDown|RequestTimeout|PriorRequestNotComplete/;

interface AwsError {
  name: string;
  $metadata?: { httpStatusCode?: number };
}

/**
 * What an error of the SDK means for whoever asked for a signature. An answer of 4xx is a definite no: access denied,
 * key disabled, deleted or of another usage, credentials not taken. All else may be over in a moment: 5xx, throttling,
 * a broken connection, the time limit, credentials that could not be fetched.
 */
export function signerErrorOf(error: unknown): SignerError {
  if (error instanceof SignerError) return error;
  const { name, $metadata } = error as AwsError;
  const status = $metadata?.httpStatusCode ?? 0;
  const isNo = status >= 400 && status < 500 && status !== 429 && status !== 408 && !NOT_NOW.test(name);
  // The name is out of a list of theirs; their message may hold account and role. One that looks otherwise is kept back.
  const known = /^[A-Za-z]{1,64}$/.test(name) ? name : 'an unknown error';
  return new SignerError(
    isNo ? 'refused' : 'unavailable',
    isNo ? `AWS KMS refuses to sign (${known})` : `AWS KMS does not sign now (${known})`,
    { cause: error },
  );
}
