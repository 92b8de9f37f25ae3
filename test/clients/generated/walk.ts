/** Walks through one onboarding with the generated client, to prove that its types are enough. */
import { randomUUID } from 'node:crypto';
import { createPasskey } from '../../../tools/passkey.js';
import { createClient, createConfig } from './made/hey-api/client/index.js';
import {
  createPasskeyOptions,
  listEvents,
  registerAuthenticators,
  startOnboarding,
  verifyOtp,
  type ByzantineSubject,
  type NextAction,
} from './made/hey-api/index.js';

const [baseUrl = '', token = '', sandbox = '', rpId = '', origin = ''] = process.argv.slice(2);
const client = createClient(createConfig({ baseUrl, auth: token }));
const key = () => ({ 'Idempotency-Key': randomUUID() });

/** Describes each next action. A new type of action would not compile. */
function said(action: NextAction): string {
  switch (action.type) {
    case 'wait':
      return `wait until ${action.until ?? 'an operator acts'}`;
    case 'submit_otp':
    case 'submit_authenticators':
      return `${action.type} before ${action.before}`;
    case 'resend_otp':
      return `resend_otp after ${action.notBefore ?? 'now'}`;
    case 'resolve':
    case 'none':
      return action.type;
  }
}

const subject: ByzantineSubject = { accountId: randomUUID(), userId: randomUUID() };
const email = `ana.${subject.userId}@example.com`;
await fetch(`${sandbox}/_sandbox/subjects`, { method: 'POST', body: JSON.stringify({ ...subject, email }) });

const started = await startOnboarding({ client, body: { subject }, headers: key() });
if (!started.data) throw new Error(`${started.error.code}: ${started.error.detail}`);
const path = { id: started.data.id };
const said1 = said(started.data.nextAction);

const wrong = await verifyOtp({ client, path, body: { code: '000000' } });
if (wrong.error?.code !== 'otp_invalid') throw new Error('a wrong code was accepted');
const left: number | undefined = wrong.error.attemptsLeft;

const mails = (await (await fetch(`${sandbox}/_sandbox/mailbox?email=${email}`)).json()) as {
  code: string;
}[];
const verified = await verifyOtp({ client, path, body: { code: mails[0]!.code }, headers: key() });
if (!verified.data) throw new Error(verified.error.detail);

const options = await createPasskeyOptions({ client, path, body: { userName: email } });
if (!options.data) throw new Error(options.error.detail);
// The type of the options that a browser accepts, as the DOM's types have it.
const forBrowser: PublicKeyCredentialCreationOptionsJSON = options.data;

const credential = createPasskey({ rpId, origin, challenge: forBrowser.challenge });
const done = await registerAuthenticators({
  client,
  path,
  body: { authenticators: [{ authenticatorName: 'Phone', credential }] },
  headers: key(),
});
if (!done.data) throw new Error(done.error.detail);

const { data: page } = await listEvents({ client, path });
const verifiedEvent = page?.items.find((event) => event.type === 'attempt_ended');
const found = {
  left,
  said: said1,
  state: done.data.state,
  names: done.data.authenticators.map(({ authenticatorName }) => authenticatorName),
  firstEnd: verifiedEvent?.data.upstreamStatus,
};
process.stdout.write(`${JSON.stringify(found)}\n`);
