import { createHash } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient, SignCommand, type KMSClientConfig } from '@aws-sdk/client-kms';
import { p256 } from '@noble/curves/nist.js';
import type { P256PublicKey } from '../public-key.js';
import { SignerError, type RequestSigner } from '../request-signer.js';
import type { SignatureEncoding } from '../signature-encoding.js';
import { signerErrorOf } from './kms-failure.js';
import { readKmsPublicKey } from './kms-public-key.js';
import { RemoteKeyError } from './remote-key-error.js';

/** Where a key lies at AWS KMS. Credentials come from the SDK's own default chain. */
export interface KmsKey {
  /** ARN, id or alias. */
  keyId: string;
  region: string;
  /** Origin of a VPC endpoint or a stand-in; AWS's own where left out. */
  endpoint?: string;
}

/** Of the boot's one question, tries and waits included, in milliseconds. */
const BOOT_TIMEOUT_MS = 10_000;
/** Of a signature that was asked for without a limit, in milliseconds. */
const SIGN_TIMEOUT_MS = 2_000;
/** One try may take so long before the next is made, if time is left: a hung connection costs one of them. */
const TRY_TIMEOUT_MS = 1_000;
/** Tries of one signature, the first included. A repeat signs the same digest, and nothing else comes of it. */
const TRIES = 3;
/** Sockets to KMS per key. More requests than that wait, each for its own time limit. */
const SOCKETS = 32;

/** Signs with a key that never leaves AWS KMS. */
export class KmsSigner implements RequestSigner {
  readonly publicKeyCompressedHex: string;

  /** Use {@link openKmsSigner}, which asks for the public key. */
  constructor(
    private readonly client: KMSClient,
    private readonly keyId: string,
    /** The ARN behind the id or alias, as it was at boot. */
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
      // Hashed here whatever its length: of a message itself, KMS takes 4096 bytes.
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
      throw new SignerError(
        'refused',
        'AWS KMS signs with another key than at the start: was its alias moved?',
      );
    }
    const der = answer.Signature;
    // A signature that is wrong would be refused upstream as if our key were: it must not leave.
    if (!der || !this.publicKey.verify(message, der, 'der')) {
      throw new SignerError('unavailable', 'AWS KMS answered with a signature that is not one by its key');
    }
    return encoding === 'der' ? der : p256.Signature.fromBytes(der, 'der').toBytes('compact');
  }

  close(): void {
    this.client.destroy();
  }
}

/**
 * Asks KMS for the public key once. Without it no signature could be checked, and no request could say whose it is.
 *
 * @param source the variable that names the key.
 * @throws RemoteKeyError where the key cannot be used, or KMS cannot be asked: it is meant to stop the boot.
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
        ? `AWS KMS refuses to tell its public key (${why})`
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
      // It would write to the console when requests wait for a socket; each has given up long before.
      socketAcquisitionWarningTimeout: 60_000,
    },
  };
}

/** The time limit over all of it: the SDK's tries, its waits between them, and its fetching of credentials. */
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
