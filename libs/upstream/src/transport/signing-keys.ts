import { createHash } from 'node:crypto';
import { SignerError, type RequestSigner } from '#libs/signing';
import type { HttpAnswer } from './http-client.js';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';

/** What is to be told of keys: to the log, and to whoever asks how an upstream is doing. */
export interface KeyChange {
  /** Of public keys, see {@link fingerprintOf}. */
  from: string;
  to: string;
}

export interface SigningKeysOptions {
  /** A signature that takes longer than this is of no use: the claim would be too old to send. */
  signatureTimeoutMs?: number;
  /** Another key is used first from now on. */
  changed?: (change: KeyChange) => void;
}

/** One request, ready to be signed by either key. */
export interface SignedSending {
  /** Milliseconds left of the whole call. */
  leftMs: () => number;
  /** Signs and sends it once. What it throws ends the request. */
  send: (sign: Sign) => Promise<HttpAnswer>;
  /** Whether an answer refuses the key itself, so that for certain nothing was done. */
  refusesKey: (answer: HttpAnswer) => boolean;
  /** Runs before the request is signed with the other key. */
  again?: () => void;
}

/** Makes a signature by the key that it gives. @throws UpstreamError where none came about. */
export type Sign = <T>(make: (signer: RequestSigner, timeoutMs: number) => Promise<T>) => Promise<T>;

/**
 * The key of an integration, or the two that it has while they change places. Upstream may know either: where it
 * refuses one as a key, the same request is signed with the other, once. After any other end it never is: that could
 * have had its effect.
 */
export class SigningKeys {
  #first = 0;
  #trouble: SignerError | null = null;

  constructor(
    private readonly signers: readonly RequestSigner[],
    private readonly options: SigningKeysOptions = {},
  ) {}

  /** The key that is used first, counted from 1. */
  get inUse(): number {
    return this.#first + 1;
  }

  get count(): number {
    return this.signers.length;
  }

  /** Of the public key that is used first. */
  get fingerprint(): string {
    return fingerprintOf(this.signers[this.#first]!);
  }

  /** Why the last signature did not come about; null where it did. */
  get trouble(): SignerError | null {
    return this.#trouble;
  }

  /**
   * @returns the last answer; where both keys are refused, that to the first.
   * @throws UpstreamError `not_sent` where no signature came in time, `misconfigured` where the signer refuses to sign.
   */
  async send(request: SignedSending): Promise<HttpAnswer> {
    const first = this.#first;
    const end = await this.#sendWith(first, request);
    const other = this.signers.length > 1 ? 1 - first : null;
    if (other === null || !isKeyRefused(end, request) || request.leftMs() <= 0) return answerOrThrow(end);
    request.again?.();
    const second = await this.#sendWith(other, request);
    if (isKeyRefused(second, request)) return answerOrThrow(end);
    const answer = answerOrThrow(second);
    // A "no" of another kind may have been said before anybody looked at the key.
    if (answer.status >= 200 && answer.status <= 299) this.#use(other);
    return answer;
  }

  /** Closes the connections of keys that are elsewhere. */
  close(): void {
    for (const signer of this.signers) signer.close?.();
  }

  async #sendWith(index: number, request: SignedSending): Promise<End> {
    const signer = this.signers[index]!;
    try {
      return { answer: await request.send((make) => this.#sign(signer, request.leftMs(), make)) };
    } catch (error) {
      if (error instanceof RefusedBySigner) return { error };
      throw error;
    }
  }

  async #sign<T>(
    signer: RequestSigner,
    leftMs: number,
    make: (signer: RequestSigner, timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const timeoutMs = Math.max(1, Math.min(leftMs, this.options.signatureTimeoutMs ?? leftMs));
    try {
      const made = await make(signer, timeoutMs);
      this.#trouble = null;
      return made;
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
      this.#trouble = error;
      throw error.failure === 'refused' ? new RefusedBySigner(error) : unsigned('not_sent', error);
    }
  }

  #use(index: number): void {
    if (this.#first === index) return;
    const from = this.fingerprint;
    this.#first = index;
    this.options.changed?.({ from, to: this.fingerprint });
  }
}

type End = { answer: HttpAnswer } | { error: UpstreamError };

/** Whoever keeps the key does not sign with it: nothing left, and the other key may be the good one. */
class RefusedBySigner extends UpstreamError {
  constructor(cause: SignerError) {
    super('misconfigured', { detail: cause.message, evidence: NOTHING_SENT, cause });
  }
}

const unsigned = (failure: 'not_sent', cause: SignerError) =>
  new UpstreamError(failure, { detail: cause.message, evidence: NOTHING_SENT, cause });

const isKeyRefused = (end: End, { refusesKey }: SignedSending): boolean =>
  'error' in end || refusesKey(end.answer);

function answerOrThrow(end: End): HttpAnswer {
  if ('error' in end) throw end.error;
  return end.answer;
}

/** Tells keys apart for operators: 16 hex digits of the SHA-256 of the compressed public key. */
export function fingerprintOf({ publicKeyCompressedHex }: RequestSigner): string {
  return createHash('sha256').update(Buffer.from(publicKeyCompressedHex, 'hex')).digest('hex').slice(0, 16);
}
