import { createHash } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient, SignCommand, type KMSClientConfig } from '@aws-sdk/client-kms';
import { p256 } from '@noble/curves/nist.js';
import type { P256PublicKey } from '../public-key.js';
import { SignerError, type RequestSigner } from '../request-signer.js';
import type { SignatureEncoding } from '../signature-encoding.js';
import { signerErrorOf } from './kms-failure.js';
import { readKmsPublicKey } from './kms-public-key.js';
import { RemoteKeyError } from './remote-key-error.js';

/** The SDK's default chain finds the credentials. */
export interface KmsKey {
  /** ARN, id or alias. */
  keyId: string;
  region: string;
  /** The origin of a VPC endpoint or an emulator; without it, the SDK uses AWS's own address. */
  endpoint?: string;
}

/** For fetching the public key, with retries and waits. */
const BOOT_TIMEOUT_MS = 10_000;
const SIGN_TIMEOUT_MS = 2_000;
/** For one try, so that a hung connection leaves time for another. */
const TRY_TIMEOUT_MS = 1_000;
/** Including the first try. A retry signs the same digest and has no other effect. */
const TRIES = 3;
/** Sockets per key. Further requests wait for a socket, each within its own time limit. */
const SOCKETS = 32;

export class KmsSigner implements RequestSigner {
  readonly publicKeyCompressedHex: string;

  /** Call {@link openKmsSigner} instead, which also fetches the public key. */
  constructor(
    private readonly client: KMSClient,
    private readonly keyId: string,
    /** The ARN to which the id or alias pointed at boot. */
    private readonly keyArn: string | undefined,
    private readonly publicKey: P256PublicKey,
  ) {
    this.publicKeyCompressedHex = publicKey.compressedHex;
  }

  /** @throws SignerError */
  async sign(
    message: Uint8Array,
    encoding: SignatureEncoding = 'der',
    timeoutMs = SIGN_TIMEOUT_MS,
  ): Promise<Uint8Array> {
    const request = new SignCommand({
      KeyId: this.keyId,
      // This process hashes the message itself, because KMS accepts at most 4096 bytes.
      Message: createHash('sha256').update(message).digest(),
      MessageType: 'DIGEST',
      SigningAlgorithm: 'ECDSA_SHA_256',
    });
    let answer;
    try {
      answer = await within(timeoutMs, (abortSignal) => this.client.send(request, { abortSignal }));
    } catch (error) {
      throw signerErrorOf(error);
    }
    if (this.keyArn && answer.KeyId && answer.KeyId !== this.keyArn) {
      throw new SignerError('refused', 'AWS KMS signs with another key than at boot: was its alias moved?');
    }
    const der = answer.Signature;
    // With a wrong signature, upstream would answer as if our key were wrong.
    if (!der || !this.publicKey.verify(message, der, 'der')) {
      throw new SignerError(
        'unavailable',
        'AWS KMS answered with a signature that its own public key does not verify',
      );
    }
    return encoding === 'der' ? der : p256.Signature.fromBytes(der, 'der').toBytes('compact');
  }

  close(): void {
    this.client.destroy();
  }
}

/**
 * Fetches the public key, which verifies the signatures of KMS.
 *
 * @throws RemoteKeyError if the key cannot be used, or KMS does not answer. The boot should stop.
 */
export async function openKmsSigner(key: KmsKey, source: string): Promise<KmsSigner> {
  const client = new KMSClient(settingsOf(key));
  try {
    const request = new GetPublicKeyCommand({ KeyId: key.keyId });
    const answer = await within(BOOT_TIMEOUT_MS, (abortSignal) => client.send(request, { abortSignal }));
    return new KmsSigner(client, key.keyId, answer.KeyId, readKmsPublicKey(answer, source));
  } catch (error) {
    client.destroy();
    if (error instanceof RemoteKeyError) throw error;
    const why = (error as Error).name;
    const detail =
      signerErrorOf(error).failure === 'refused'
        ? `AWS KMS refuses to give its public key (${why})`
        : `AWS KMS could not be asked for its public key (${why})`;
    throw new RemoteKeyError(source, detail, { cause: error });
  }
}

function settingsOf({ region, endpoint }: KmsKey): KMSClientConfig {
  const agent = { keepAlive: true, maxSockets: SOCKETS };
  return {
    region,
    ...(endpoint && { endpoint }),
    maxAttempts: TRIES,
    requestHandler: {
      connectionTimeout: TRY_TIMEOUT_MS,
      requestTimeout: TRY_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
      // Longer than the time limit of a request, so the SDK never prints this warning.
      socketAcquisitionWarningTimeout: 60_000,
    },
  };
}

/** One time limit for the SDK's tries, its waits, and its requests for credentials together. */
async function within<T>(timeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new SignerError('unavailable', `AWS KMS did not sign within ${Math.round(timeoutMs)} ms`));
      controller.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([work(controller.signal), late]);
  } finally {
    clearTimeout(timer);
  }
}
