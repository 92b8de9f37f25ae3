import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { Device } from '../../../../libs/upstream/src/fixtures/device.js';
import { createPasskey } from '../../../../tools/passkey.js';
import { ORIGIN, RP_ID } from '../../../support/story.js';
import { DOORS, type Door } from '../../../support/turnkey-door.js';
import { WRONG_CODE, type Canary } from './canary.js';
import { ECHOES, type Echo } from './upstream-mirror.js';

interface Contact {
  type: 'email' | 'phone';
  value: string;
}

function contactOf(canary: Canary, type: 'email' | 'phone'): Contact {
  const value =
    type === 'email'
      ? `canary.${randomBytes(8).toString('hex')}@example.com`
      : `+4915${randomInt(1_000_000_000, 9_999_999_999)}`;
  canary.secret('contact', value);
  if (type === 'email') canary.secret('contact', value.split('@')[0]!);
  else canary.secret('contact', value.slice(1));
  return { type, value };
}

/** @param known whether the user already has a sub-organization. */
function person(canary: Canary, type: 'email' | 'phone', known = true) {
  const contact = contactOf(canary, type);
  if (!known) return { contact, subject: { contact } };
  const { organizationId, userId } = canary.story.sandbox.control.addTurnkeySubject({
    contact: contact.value,
  });
  return { contact, subject: { organizationId, userId, contact } };
}

function codeOf(canary: Canary, { value }: Contact): string {
  const [mail] = canary.story.sandbox.control.mails({ contact: value });
  if (!mail) throw new Error(`no message to ${value}`);
  canary.secret('mailed code', mail.code);
  return mail.code;
}

async function started(
  canary: Canary,
  integration: string,
  who: ReturnType<typeof person>,
  more: object = {},
) {
  const { story } = canary;
  const headers = { 'idempotency-key': randomUUID() };
  const body = { integration, subject: who.subject, ...more };
  const answer = await story.call('POST', '/v1/onboardings', body, headers);
  if (answer.status >= 400) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  await story.until(answer.body.id, 'otp_sent');
  await story.call('POST', '/v1/onboardings', body, headers);
  return answer.body.id;
}

async function passkey(canary: Canary, id: string) {
  const made = await canary.story.passkey(id);
  const { attestationObject, clientDataJSON } = made.credential.response;
  canary.secret('attestation', attestationObject, Buffer.from(attestationObject, 'base64url'));
  canary.secret('client data', clientDataJSON, Buffer.from(clientDataJSON, 'base64url'));
  return made;
}

/** Completes an onboarding after a wrong code. A new user's onboarding is then erased. */
async function server(canary: Canary, door: Door, type: 'email' | 'phone', known: boolean): Promise<void> {
  const { story } = canary;
  const who = person(canary, type, known);
  const captchaToken = `captcha-${randomBytes(24).toString('base64url')}`;
  canary.secret('captcha token', captchaToken);
  const otp = door === 'turnkey-auth-proxy' ? { otp: { captchaToken } } : {};
  const id = await started(canary, door, who, otp);
  await story.call('POST', '/v1/onboardings', { integration: door, subject: who.subject });
  await story.verify(id, WRONG_CODE);
  await story.verify(id, codeOf(canary, who.contact));
  await story.until(id, 'otp_verified');
  await story.register(id, [await passkey(canary, id)]);
  await story.until(id, 'completed');
  await story.call('GET', `/v1/onboardings?contact=${encodeURIComponent(who.contact.value)}`);
  await story.events(id);
  if (!known) await story.call('DELETE', `/v1/onboardings/${id}`);
}

/** Completes an onboarding with the session's key on the device. Also sends the code in wrong places. */
async function device(canary: Canary, door: Door): Promise<void> {
  const { story } = canary;
  const who = person(canary, 'email');
  const id = await started(canary, `${door}-device`, who);
  const code = codeOf(canary, who.contact);
  const theirs = new Device();
  canary.secret('session key', theirs.privateKey, Buffer.from(theirs.privateKey, 'hex'));
  const { otp } = (await story.get(id)).body;
  for (const body of [
    { code },
    { encryptedOtpBundle: code },
    { encryptedOtpBundle: JSON.stringify({ code }) },
  ]) {
    await story.call('POST', `/v1/onboardings/${id}/otp/verify`, body);
  }
  const proof = await theirs.encrypt(
    { handle: '', targetBundle: otp.targetBundle! },
    code,
    story.sandbox.turnkey.signerPublicKey,
  );
  if (proof.type !== 'encrypted-code') throw new Error('a device must encrypt the code');
  await story.call('POST', `/v1/onboardings/${id}/otp/verify`, {
    encryptedOtpBundle: proof.encryptedOtpBundle,
  });
  const { deviceSigning } = await story.until(id, 'otp_verified');
  const challenge = await story.challenge(id);
  const { response, rawId } = createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge });
  canary.secret(
    'attestation',
    response.attestationObject,
    Buffer.from(response.attestationObject, 'base64url'),
  );
  const made = {
    authenticatorName: 'phone',
    challenge,
    attestation: {
      credentialId: rawId,
      clientDataJson: response.clientDataJSON,
      attestationObject: response.attestationObject,
      transports: ['AUTHENTICATOR_TRANSPORT_INTERNAL'],
    },
  };
  const stranger = await new Device().request(deviceSigning!, [made]);
  await story.call('POST', `/v1/onboardings/${id}/authenticators`, { device: stranger });
  await story.call('POST', `/v1/onboardings/${id}/authenticators`, {
    device: await theirs.request(deviceSigning!, [made]),
  });
  await story.until(id, 'completed');
  await story.events(id);
}

/** Turnkey answers two requests with a copy of the request: the first has a contact, the login a token. */
async function echoed(canary: Canary, door: Door, echo: Echo): Promise<void> {
  const { story } = canary;
  const who = person(canary, 'email');
  canary.echo(who.contact.value, echo);
  const body = { integration: door, subject: who.subject };
  const { body: answer } = await story.call('POST', '/v1/onboardings', body, { prefer: 'wait=2' });
  await story.events(answer.id ?? answer.onboardingId);
  const next = person(canary, 'email');
  const id = await started(canary, door, next);
  canary.echo('verificationToken', echo);
  await story.verify(id, codeOf(canary, next.contact), { prefer: 'wait=2' });
  await story.get(id);
  await story.events(id);
}

export async function turnkeyFlows(canary: Canary): Promise<void> {
  await Promise.all(
    DOORS.flatMap((door) => [
      server(canary, door, 'email', true),
      server(canary, door, 'email', false),
      server(canary, door, 'phone', true),
      device(canary, door),
    ]),
  );
  // One flow at a time, because the proxy copies the next request with a `verificationToken`, whose value the
  // test does not know.
  for (const echo of Object.keys(ECHOES) as Echo[]) {
    for (const door of DOORS) await echoed(canary, door, echo);
  }
}
