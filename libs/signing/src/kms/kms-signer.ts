import { createHash } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient, SignCommand, type KMSClientConfig } from '@aws-sdk/client-kms';
import { p256 } from '@noble/curves/nist.js';
import type { P256PublicKey } from '../public-key.js';
import { SignerError, type RequestSigner } from '../request-signer.js';
import type { SignatureEncoding } from '../signature-encoding.js';
import { signerErrorOf } from './kms-failure.js';
import { readKmsPublicKey } from './kms-public-key.js';
import { RemoteKeyError } from './remote-key-error.js';

/** The address of a key at AWS KMS. The SDK's default chain finds the credentials. */
export interface KmsKey {
  /** ARN, id or alias. */
  keyId: string;
  region: string;
  /** Origin of a VPC endpoint or a stand-in. Without it, AWS's own endpoint. */
  endpoint?: string;
}

/** Limit of the only request at boot, including its tries and waits. Milliseconds. */
const BOOT_TIMEOUT_MS = 10_000;
/** Limit of a signature for which the caller gives no limit. Milliseconds. */
const SIGN_TIMEOUT_MS = 2_000;
/** Milliseconds of one try: a hung connection leaves time for another. */
const TRY_TIMEOUT_MS = 1_000;
/** Including the first. A repeat signs the same digest and has no other effect. */
const TRIES = 3;
/** Per key. More requests wait, each within its own time limit. */
const SOCKETS = 32;

/** Signs with a key that never leaves AWS KMS. */
export class KmsSigner implements RequestSigner {
  readonly publicKeyCompressedHex: string;

  /** Use {@link openKmsSigner}, which fetches the public key. */
  constructor(
    private readonly client: KMSClient,
    private readonly keyId: string,
    /** The ARN that the id or alias stands for at boot. */
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
      // The message is always hashed here, because KMS accepts at most 4096 bytes.
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
    // Upstream would refuse a wrong signature as if our key were wrong.
    if (!der || !this.publicKey.verify(message, der, 'der')) {
      throw new SignerError('unavailable', 'AWS KMS answered with a signature that is not by its key');
    }
    return encoding === 'der' ? der : p256.Signature.fromBytes(der, 'der').toBytes('compact');
  }

  close(): void {
    this.client.destroy();
  }
}

/**
 * Fetches the public key once: requests contain it, and it checks signatures.
 *
 * @param source the variable that names the key.
 * @throws RemoteKeyError if the key cannot be used, or KMS does not answer. It should stop the boot.
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
      // Switches off the SDK's warning on the console. Each request gives up long before.
      socketAcquisitionWarningTimeout: 60_000,
    },
  };
}

/** Limits the whole work: the SDK's tries, its waits, and its requests for credentials. */
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
