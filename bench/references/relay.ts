/**
 * The bare relay, the minimum between a caller and the provider: it checks nothing, and keeps the data for
 * the next call in memory.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import {
  CREATE_AUTHENTICATORS,
  INIT_OTP,
  OTP_AUTH,
  creationOptions,
  submit,
  toByzantine,
  type GivenPasskey,
  type Subject,
} from './byzantine.js';

interface Onboarding {
  subject: Subject;
  otpId: string;
  sessionId?: string;
}
type OfOne = { id: string };

const onboardings = new Map<string, Onboarding>();
const app = fastify();

app.post<{ Body: { subject: Subject } }>('/v1/onboardings', async (request, reply) => {
  const { subject } = request.body;
  const { otpId } = await submit(INIT_OTP, subject);
  const id = randomUUID();
  onboardings.set(id, { subject, otpId: otpId! });
  return reply.code(201).send({ id, state: 'otp_sent' });
});

app.post<{ Params: OfOne; Body: { code: string } }>('/v1/onboardings/:id/otp/verify', async (request) => {
  const onboarding = onboardings.get(request.params.id)!;
  const { subject, otpId } = onboarding;
  const answer = await submit(OTP_AUTH, { ...subject, otpId, otpCode: request.body.code });
  onboarding.sessionId = answer['sessionId']!;
  return { id: request.params.id, state: 'otp_verified' };
});

app.post<{ Body: { userName: string } }>('/v1/onboardings/:id/authenticators/options', async (request) =>
  creationOptions(randomBytes(32).toString('base64url'), request.body.userName),
);

app.post<{ Params: OfOne; Body: { authenticators: GivenPasskey[] } }>(
  '/v1/onboardings/:id/authenticators',
  async (request) => {
    const { id } = request.params;
    const { subject, sessionId } = onboardings.get(id)!;
    const authenticators = request.body.authenticators.map(toByzantine);
    await submit(CREATE_AUTHENTICATORS, { sessionId, ...subject, authenticators });
    onboardings.delete(id);
    return { id, state: 'completed' };
  },
);

await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
process.once('disconnect', () => process.exit());
