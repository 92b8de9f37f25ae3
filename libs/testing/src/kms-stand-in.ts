import { createECDH, createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type KmsTrouble =
  /** An error of AWS KMS, with its code in `__type`. */
  | { error: string; status: number }
  /** A broken service or proxy, with a body that KMS never sends. */
  | { status: number }
  | 'silence'
  | 'half an answer'
  | 'cut'
  /** A signature with one wrong bit. */
  | 'corrupted'
  /** A valid signature by another key. The answer names the requested key. */
  | 'foreign'
  /** A valid signature by another key, as after a move of the alias. The answer names the other key. */
  | 'moved alias';

export interface KmsCall {
  operation: string;
  body: Record<string, unknown>;
  headers: IncomingHttpHeaders;
}

const REGION = 'eu-central-1';
const ACCOUNT = '111122223333';

interface StoredKey {
  arn: string;
  privateKey: KeyObject;
  usage: string;
  algorithms: string[];
  spec: string;
}

/**
 * Acts as AWS KMS, written from its API reference and JSON protocol. It shares no code with the service, so
 * it cannot repeat an error of the service.
 */
export class KmsStandIn {
  readonly calls: KmsCall[] = [];
  readonly #keys = new Map<string, StoredKey>();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  #trouble: { what: KmsTrouble; times: number } | null = null;
  mostSockets = 0;
  url = '';

  /** For the AWS SDK. The empty AWS_PROFILE makes it ignore a developer's own profile. */
  static readonly credentials = {
    AWS_PROFILE: '',
    AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  };
  static readonly region = REGION;

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.#answer(request.headers, Buffer.concat(chunks), response));
    });
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      this.mostSockets = Math.max(this.mostSockets, this.#sockets.size);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param port 0 means any free port. */
  static async listen(port = 0): Promise<KmsStandIn> {
    const standIn = new KmsStandIn();
    await new Promise<void>((resolve) => standIn.#server.listen(port, '127.0.0.1', resolve));
    standIn.url = `http://127.0.0.1:${(standIn.#server.address() as { port: number }).port}`;
    return standIn;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** @returns the ARN of the new key, and its public key: the compressed point in hex. */
  createKey(
    kind: 'ECC_NIST_P256' | 'ECC_SECG_P256K1' | 'RSA_2048' | 'ECC_NIST_P256 for ECDH' = 'ECC_NIST_P256',
  ) {
    const curve = kind === 'ECC_SECG_P256K1' ? 'secp256k1' : 'P-256';
    const { privateKey } =
      kind === 'RSA_2048'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: curve });
    const arn = `arn:aws:kms:${REGION}:${ACCOUNT}:key/${randomUUID()}`;
    const forSigning = kind !== 'ECC_NIST_P256 for ECDH';
    this.#keys.set(arn, {
      arn,
      privateKey,
      usage: forSigning ? 'SIGN_VERIFY' : 'KEY_AGREEMENT',
      algorithms: !forSigning ? [] : [kind === 'RSA_2048' ? 'RSASSA_PSS_SHA_256' : 'ECDSA_SHA_256'],
      spec: kind.split(' ')[0]!,
    });
    const jwk = kind === 'RSA_2048' ? {} : createPublicKey(privateKey).export({ format: 'jwk' });
    const y = Buffer.from(jwk.y ?? '', 'base64url');
    const sign = (y.at(-1) ?? 0) % 2 === 0 ? '02' : '03';
    return { arn, publicKeyHex: sign + Buffer.from(jwk.x ?? '', 'base64url').toString('hex') };
  }

  alias(name: string, arn: string): void {
    this.#keys.set(name, this.#keys.get(arn)!);
  }

  /** Makes the next `times` calls fail, by default all. */
  meet(what: KmsTrouble, times = Infinity): void {
    this.#trouble = { what, times };
  }

  mend(): void {
    this.#trouble = null;
  }

  callsOf(operation: string): KmsCall[] {
    return this.calls.filter((call) => call.operation === operation);
  }

  #answer(headers: IncomingHttpHeaders, raw: Buffer, response: ServerResponse): void {
    const operation = String(headers['x-amz-target']).replace(/^TrentService\./, '');
    const body = JSON.parse(raw.toString('utf8')) as Record<string, unknown>;
    this.calls.push({ operation, body, headers });
    const what = this.#nextTrouble();
    if (what === 'silence') return;
    if (what === 'cut') return void response.destroy();
    if (what === 'half an answer') {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'content-length': 500 });
      return void response.write('{"KeyId":');
    }
    if (what !== null && typeof what === 'object') {
      if (!('error' in what)) return void response.writeHead(what.status).end('<html>broken</html>');
      return fails(response, what.status, what.error);
    }
    const scope = new RegExp(
      `^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/\\d{8}/${REGION}/kms/aws4_request, ` +
        'SignedHeaders=[a-z0-9;-]*\\bhost\\b[a-z0-9;-]*, Signature=[0-9a-f]{64}$',
    );
    if (!scope.test(headers.authorization ?? '')) return fails(response, 400, 'IncompleteSignature');
    if (headers['content-type'] !== 'application/x-amz-json-1.1') {
      return fails(response, 400, 'SerializationException');
    }
    const keyId = String(body['KeyId']);
    const key =
      this.#keys.get(keyId) ?? [...this.#keys.values()].find(({ arn }) => arn.endsWith(`/${keyId}`));
    if (!key) return fails(response, 400, 'NotFoundException');
    if (operation === 'GetPublicKey') return succeeds(response, this.#publicKeyOf(key));
    if (operation === 'Sign') return this.#sign(key, body, what, response);
    fails(response, 400, 'UnknownOperationException');
  }

  #publicKeyOf({ arn, privateKey, usage, algorithms, spec }: StoredKey): object {
    const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
    return {
      KeyId: arn,
      PublicKey: der.toString('base64'),
      KeySpec: spec,
      KeyUsage: usage,
      ...(algorithms.length > 0 && { SigningAlgorithms: algorithms }),
    };
  }

  #sign(
    key: StoredKey,
    body: Record<string, unknown>,
    what: KmsTrouble | null,
    response: ServerResponse,
  ): void {
    const { SigningAlgorithm, MessageType, Message } = body;
    if (!key.algorithms.includes(String(SigningAlgorithm))) {
      return fails(response, 400, 'InvalidKeyUsageException');
    }
    const digest = Buffer.from(String(Message), 'base64');
    // For MessageType DIGEST, KMS accepts only a digest as long as the algorithm's hash.
    if (MessageType !== 'DIGEST' || digest.length !== 32) return fails(response, 400, 'ValidationException');
    const other = what === 'foreign' || what === 'moved alias';
    const signature = signDigest(digest, other ? this.#foreign : key.privateKey);
    if (what === 'corrupted') signature[signature.length - 1]! ^= 1;
    const arn = what === 'moved alias' ? `arn:aws:kms:${REGION}:${ACCOUNT}:key/${randomUUID()}` : key.arn;
    succeeds(response, { KeyId: arn, Signature: signature.toString('base64'), SigningAlgorithm });
  }

  #nextTrouble(): KmsTrouble | null {
    if (!this.#trouble || this.#trouble.times <= 0) return null;
    this.#trouble.times -= 1;
    return this.#trouble.what;
  }
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/**
 * Computes ECDSA itself (FIPS 186-5 §6.4.1), because `sign` of node:crypto would hash the digest again. A new
 * ECDH key pair gives k and k·G.
 *
 * @returns the signature in DER
 */
function signDigest(digest: Buffer, key: KeyObject): Buffer {
  const d = bigint(Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'));
  const ephemeral = createECDH('prime256v1');
  const r = bigint(ephemeral.generateKeys().subarray(1, 33)) % ORDER;
  const k = bigint(ephemeral.getPrivateKey());
  const s = (power(k, ORDER - 2n) * (bigint(digest) + r * d)) % ORDER;
  const body = Buffer.concat([derInteger(r), derInteger(s)]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
}

const bigint = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = base % ORDER, e = exponent; e > 0n; e >>= 1n, b = (b * b) % ORDER) {
    if (e & 1n) result = (result * b) % ORDER;
  }
  return result;
}

/** A number in its shortest DER form. A zero byte is added if the first bit is set (X.690 §8.3). */
function derInteger(value: bigint): Buffer {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  const content = bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
  return Buffer.concat([Buffer.of(0x02, content.length), content]);
}

function succeeds(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}

function fails(response: ServerResponse, status: number, type: string): void {
  const message = `User: arn:aws:iam::${ACCOUNT}:user/caller gets ${type}`;
  response
    .writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-errortype': type })
    .end(JSON.stringify({ __type: type, message }));
}
