import { createHash } from 'node:crypto';
import { traced } from '#libs/platform';
import { SignerError, type RequestSigner } from '#libs/signing';
import type { HttpAnswer } from './http-client.js';
import { NOTHING_SENT, UpstreamError } from '../port/upstream-error.js';

export interface KeyChange {
  /** See {@link fingerprintOf}. */
  from: string;
  to: string;
}

export interface SigningKeysOptions {
  /** After this time, a signature would come too late to send the request. */
  signatureTimeoutMs?: number;
  changed?: (change: KeyChange) => void;
}

export interface SignedSending {
  leftMs: () => number;
  /** Signs and sends the request once. If it throws, the other key is tried only if the signer refused. */
  send: (sign: Sign) => Promise<HttpAnswer>;
  /** Whether the answer refuses the key. The request then certainly had no effect. */
  refusesKey: (answer: HttpAnswer) => boolean;
  /** Called before the request is signed with the other key. */
  again?: () => void;
}

/** @throws UpstreamError if there is no signature. */
export type Sign = <T>(make: (signer: RequestSigner, timeoutMs: number) => Promise<T>) => Promise<T>;

/**
 * An integration's signing key, or two keys during a rotation. If a key is refused, the request is sent once
 * more with the other key. After any other failure it is not, because it may have taken effect.
 */
export class SigningKeys {
  #first = 0;
  #trouble: SignerError | null = null;

  constructor(
    private readonly signers: readonly RequestSigner[],
    private readonly options: SigningKeysOptions = {},
  ) {}

  /** The number of the key that is tried first: 1 or 2. */
  get inUse(): number {
    return this.#first + 1;
  }

  get count(): number {
    return this.signers.length;
  }

  get fingerprint(): string {
    return fingerprintOf(this.signers[this.#first]!);
  }

  /** Why the last signature failed. Null if it succeeded. */
  get trouble(): SignerError | null {
    return this.#trouble;
  }

  /**
   * @returns the last answer, or the first one if the provider refuses both keys
   * @throws UpstreamError `not_sent` if no signature came in time, `misconfigured` if the signer refuses
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
    // Only a 2xx proves that the key works: a provider may refuse for other reasons before it checks the key.
    if (answer.status >= 200 && answer.status <= 299) this.#use(other);
    return answer;
  }

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
      const made = await traced('sign', () => make(signer, timeoutMs));
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

/** The signer, such as a KMS, refuses to sign. The other key may work. */
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

/** For operators: the first 16 hex digits of the SHA-256 of the compressed public key. */
export function fingerprintOf({ publicKeyCompressedHex }: RequestSigner): string {
  return createHash('sha256').update(Buffer.from(publicKeyCompressedHex, 'hex')).digest('hex').slice(0, 16);
}
