import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { Pool } from 'undici';

const privateKey = createPrivateKey(process.env['PRIVATE_KEY_PEM']!);
const { x, y } = createPublicKey(privateKey).export({ format: 'jwk' });
const isOdd = Buffer.from(y!, 'base64url').at(-1)! & 1;
const PUBKEY = `0x${isOdd ? '03' : '02'}${Buffer.from(x!, 'base64url').toString('hex')}`;

export function signedHeaders(path: string, body: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = sign('sha256', Buffer.from(`${timestamp}POST${path}${body}`), privateKey).toString('hex');
  return {
    accept: 'application/json',
    'content-type': 'application/json',
    'X-Pubkey': PUBKEY,
    'X-Timestamp': timestamp,
    'X-Signature': `0x${signature}`,
  };
}

const pool = new Pool(process.env['UPSTREAM_URL']!, { connections: 64, pipelining: 1 });

export async function submit(path: string, payload: object): Promise<Record<string, string>> {
  const body = JSON.stringify(payload);
  const answer = await pool.request({ method: 'POST', path, headers: signedHeaders(path, body), body });
  if (answer.statusCode !== 200) throw new Error(`upstream answered ${answer.statusCode}`);
  return (await answer.body.json()) as Record<string, string>;
}

export const INIT_OTP = '/v1/submit/init-otp';
export const OTP_AUTH = '/v1/submit/otp-auth';
export const CREATE_AUTHENTICATORS = '/v1/submit/create-authenticators-otp';

export interface Subject {
  accountId: string;
  userId: string;
}

export interface GivenPasskey {
  authenticatorName: string;
  credential: {
    id: string;
    response: { clientDataJSON: string; attestationObject: string; transports: string[] };
  };
}

export function toByzantine({ authenticatorName, credential: { id, response } }: GivenPasskey): object {
  const clientData = Buffer.from(response.clientDataJSON, 'base64url').toString('utf8');
  return {
    authenticatorName,
    challenge: (JSON.parse(clientData) as { challenge: string }).challenge,
    attestation: {
      credentialId: id,
      clientDataJson: response.clientDataJSON,
      attestationObject: response.attestationObject,
      transports: response.transports.map((name) => `AUTHENTICATOR_TRANSPORT_${name.toUpperCase()}`),
    },
  };
}

export function creationOptions(challenge: string, userName: string): object {
  return {
    challenge,
    rp: { id: 'bench.example.com', name: 'Bench' },
    user: { id: challenge, name: userName, displayName: userName },
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
  };
}
