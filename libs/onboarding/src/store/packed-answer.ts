import { deflateRawSync, inflateRawSync } from 'node:zlib';

export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Texts that many answers contain, the most common last, because DEFLATE (RFC 1951) looks back from the end.
 * Never change a dictionary, because stored answers need it. Add a new one.
 */
const DICTIONARIES: readonly Buffer[] = [
  Buffer.from(
    'Location":"/v1/onboardings/retry-after":"{"type":"/docs/errors#","title":"","status":409,"code":"",' +
      '"retryable":false,"errors":[{"pointer":"' +
      '"state":"outcome_unknown""state":"failed""state":"expired""state":"cancelled""state":"' +
      'otp_needed","reason":"otp_expired""session_expired"' +
      '"nextAction":{"type":"resolve"}"unresolved":{"step":"create-authenticators","attempt":3,"at":"202' +
      '{"parked":{"reason":"upstream_misconfigured","since":"202"lastResult":{"step":"verify-otp","' +
      'code":"otp_invalid","detail":"' +
      '"nextAction":{"type":"resend_otp","notBefore":"202"nextAction":{"type":"wait","until":"202' +
      '{"challenge":"","rp":{"id":"","name":""},"user":{"id":"","name":"","displayName":""},"' +
      'pubKeyCredParams":[{"type":"public-key","alg":-7},' +
      '"authenticators":[{"id":"","authenticatorName":"","credentialId":"","aaguid":"' +
      '00000000-0000-0000-0000-000000000000","transports":["internal","hybrid"],"createdAt":"202' +
      '"state":"completed","reason":null,"version":6,"nextAction":{"type":"none"},' +
      '"state":"otp_verified","reason":null,"version":4,"nextAction":{"type":"submit_authenticators","' +
      'before":"2026-' +
      '"session":{"expiresAt":"2026-"otp":{"sends":1,"sentAt":"2026-","expiresAt":null,"attemptsLeft":0,' +
      '[201,{"content-type":"application/json; charset=utf-8","etag":"\\"2\\"","location":"' +
      '/v1/onboardings/019' +
      '[200,{"content-type":"application/json; charset=utf-8","etag":"\\"4\\""}]\n' +
      '{"id":"019","caller":"default","integration":"byzantine","provider":"byzantine","provider":"' +
      'turnkey",' +
      '"subject":{"accountId":"","userId":"","email":""},"externalRef":null,"metadata":{},' +
      '"state":"otp_sent","reason":null,"version":2,"nextAction":{"type":"submit_otp","before":"2026-' +
      '"},"otp":{"sends":1,"sentAt":"2026-","expiresAt":"2026-","attemptsLeft":3,"resendAvailableAt":"2026-' +
      'Z","targetBundle":null},"session":null,"deviceSigning":null,"authenticators":[],"lastResult"' +
      ':null,"unresolved":null,' +
      '"parked":null,"failure":null,"createdAt":"2026-","updatedAt":"2026-","erasedAt":null,"expiresAt"' +
      ':"2026-',
  ),
];

const LEVEL = 1;

/** @returns `dictionary's number (1 byte) ‖ raw DEFLATE`. */
export function packed({ status, headers, body }: KeptAnswer): Buffer {
  const number = DICTIONARIES.length - 1;
  const text = `${JSON.stringify([status, headers])}\n${body}`;
  return Buffer.concat([
    Buffer.of(number),
    deflateRawSync(text, { level: LEVEL, dictionary: DICTIONARIES[number] }),
  ]);
}

/** @throws Error for bytes that {@link packed} did not make. */
export function unpacked(bytes: Buffer): KeptAnswer {
  const dictionary = DICTIONARIES[bytes[0] ?? -1];
  if (!dictionary) throw new Error(`there is no dictionary ${bytes[0]}`);
  const text = inflateRawSync(bytes.subarray(1), { dictionary }).toString('utf8');
  const end = text.indexOf('\n');
  const [status, headers] = JSON.parse(text.slice(0, end)) as [number, Record<string, string>];
  return { status, headers, body: text.slice(end + 1) };
}
