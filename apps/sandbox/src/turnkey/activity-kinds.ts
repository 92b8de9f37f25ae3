import type { z } from 'zod';
import type { Outcome } from '../outcome.js';
import {
  createAuthenticators,
  createAuthenticatorsFirst,
  deleteAuthenticators,
  otpLogin,
  otpLoginFirst,
  stampLogin,
} from './credential.dto.js';
import type { LoginOperations } from './login-operations.js';
import type { Organizations, TurnkeyOrganization } from './organizations.js';
import type { InitOtp } from './otp.dto.js';
import { initOtp, initOtpFirst, verifyOtp, verifyOtpPlain } from './otp.dto.js';
import type { OtpOperations } from './otp-operations.js';
import type { PasskeyOperations } from './passkey-operations.js';
import { createSubOrganization } from './sign-up.dto.js';
import type { SignUpOperations } from './sign-up-operations.js';
import type { Stamper } from './stamps.js';

/**
 * `parent`: only the parent's key. `member`: only a credential of the organization that the request names.
 * `either`: one of these two. `self`: like `member`, and also a credential of a sub-organization if the
 * request names the parent.
 */
export type Submitter = 'parent' | 'member' | 'either' | 'self';

export interface ActivityCall<Parameters> {
  parameters: Parameters;
  organization: TurnkeyOrganization;
  stamper: Stamper;
}

export interface ActivityKind {
  /** Without the prefix `ACTIVITY_TYPE_`. */
  type: string;
  /** The last segment of the activity's path. */
  path: string;
  /** The names of intent and result in the envelope. */
  intent: string;
  result: string;
  submitter: Submitter;
  /** Whether a stamp by a verification token (`X-Stamp-Attested`) may submit the activity. */
  attested: boolean;
  schema: z.ZodType;
  run: (call: ActivityCall<unknown>) => Outcome<object> | Promise<Outcome<object>>;
}

export interface Operations {
  organizations: Organizations;
  otp: OtpOperations;
  login: LoginOperations;
  passkeys: PasskeyOperations;
  signUp: SignUpOperations;
}

/** The old and the current type of an activity share a path. */
export function activityKinds({ organizations, otp, login, passkeys, signUp }: Operations): ActivityKind[] {
  const member = ({ organization }: ActivityCall<unknown>, userId: string) => ({
    organization,
    user: organizations.requireUser(organization, userId),
  });
  const init = ({ parameters, organization }: ActivityCall<InitOtp>, encrypted: boolean) => {
    const { answer, effect } = otp.init({
      organizationId: organization.organizationId,
      otpType: parameters.otpType,
      contact: parameters.contact,
      length: parameters.otpLength,
      alphanumeric: parameters.alphanumeric,
      lifeMs: msOf(parameters),
      userIdentifier: parameters.userIdentifier ?? null,
      encrypted,
      message: messageOf(parameters),
    });
    return { answer: encrypted ? answer : { otpId: answer.otpId }, effect };
  };
  const tokenOrder = (call: ActivityCall<{ otpId: string; expirationSeconds: string }>) => ({
    organizationId: call.organization.organizationId,
    otpId: call.parameters.otpId,
    lifeMs: msOf(call.parameters),
  });
  const create = (call: ActivityCall<z.output<typeof createSubOrganization>>, encryptedOnly: boolean) => {
    const { subOrganizationName: name, ...rest } = call.parameters;
    const { answer, effect } = signUp.signUp({ name, ...rest, encryptedOnly });
    const { organizationId: subOrganizationId, userIds: rootUserIds, wallet } = answer;
    return { answer: { subOrganizationId, rootUserIds, ...(wallet && { wallet }) }, effect };
  };

  return [
    kind('INIT_OTP', 'init_otp', 'initOtpIntent', 'initOtpResult', 'either', initOtpFirst, (call) =>
      init(call, false),
    ),
    kind('INIT_OTP_V2', 'init_otp', 'initOtpIntentV2', 'initOtpResult', 'either', initOtp, (call) =>
      init(call, false),
    ),
    kind('INIT_OTP_V3', 'init_otp', 'initOtpIntentV3', 'initOtpResultV2', 'either', initOtp, (call) =>
      init(call, true),
    ),
    kind('VERIFY_OTP', 'verify_otp', 'verifyOtpIntent', 'verifyOtpResult', 'either', verifyOtpPlain, (call) =>
      otp.verifyPlain(tokenOrder(call), call.parameters.otpCode, call.parameters.publicKey ?? null),
    ),
    kind('VERIFY_OTP_V2', 'verify_otp', 'verifyOtpIntentV2', 'verifyOtpResult', 'either', verifyOtp, (call) =>
      otp.verifyEncrypted(tokenOrder(call), call.parameters.encryptedOtpBundle),
    ),
    kind('OTP_LOGIN', 'otp_login', 'otpLoginIntent', 'otpLoginResult', 'either', otpLoginFirst, (call) =>
      login.byToken({
        ...call.parameters,
        organization: call.organization,
        lifeMs: msOf(call.parameters),
        encryptedOnly: false,
      }),
    ),
    kind('OTP_LOGIN_V2', 'otp_login', 'otpLoginIntentV2', 'otpLoginResult', 'either', otpLogin, (call) =>
      login.byToken({
        ...call.parameters,
        organization: call.organization,
        lifeMs: msOf(call.parameters),
        encryptedOnly: true,
      }),
    ),
    {
      ...kind(
        'STAMP_LOGIN',
        'stamp_login',
        'stampLoginIntent',
        'stampLoginResult',
        'self',
        stampLogin,
        (call) =>
          login.byStamp(
            call.stamper,
            { ...call.parameters, lifeMs: msOf(call.parameters) },
            call.stamper.token,
          ),
      ),
      attested: true,
    },
    kind(
      'CREATE_AUTHENTICATORS',
      'create_authenticators',
      'createAuthenticatorsIntent',
      'createAuthenticatorsResult',
      'member',
      createAuthenticatorsFirst,
      (call) => passkeys.create(member(call, call.parameters.userId), call.parameters.authenticators),
    ),
    kind(
      'CREATE_AUTHENTICATORS_V2',
      'create_authenticators',
      'createAuthenticatorsIntentV2',
      'createAuthenticatorsResult',
      'member',
      createAuthenticators,
      (call) => passkeys.create(member(call, call.parameters.userId), call.parameters.authenticators),
    ),
    kind(
      'DELETE_AUTHENTICATORS',
      'delete_authenticators',
      'deleteAuthenticatorsIntent',
      'deleteAuthenticatorsResult',
      'member',
      deleteAuthenticators,
      (call) => passkeys.remove(member(call, call.parameters.userId), call.parameters.authenticatorIds),
    ),
    kind(
      'CREATE_SUB_ORGANIZATION_V7',
      'create_sub_organization',
      'createSubOrganizationIntentV7',
      'createSubOrganizationResultV7',
      'parent',
      createSubOrganization,
      (call) => create(call, false),
    ),
    kind(
      'CREATE_SUB_ORGANIZATION_V8',
      'create_sub_organization',
      'createSubOrganizationIntentV8',
      'createSubOrganizationResultV8',
      'parent',
      createSubOrganization,
      (call) => create(call, true),
    ),
  ];
}

function kind<Schema extends z.ZodType>(
  type: string,
  path: string,
  intent: string,
  result: string,
  submitter: Submitter,
  schema: Schema,
  run: (call: ActivityCall<z.output<Schema>>) => Outcome<object> | Promise<Outcome<object>>,
): ActivityKind {
  // Safe, because the runner passes only parameters that this schema has parsed.
  return { type, path, intent, result, submitter, attested: false, schema, run: run as ActivityKind['run'] };
}

const msOf = ({ expirationSeconds }: { expirationSeconds: string }) => Number(expirationSeconds) * 1000;

/** Turnkey uses the sender's name and the reply address only if a sender's address is given. */
function messageOf(parameters: InitOtp): object {
  const { emailCustomization, smsCustomization, sendFromEmailAddress, otpType } = parameters;
  const appName = 'appName' in parameters ? parameters.appName : undefined;
  const { sendFromEmailSenderName: name = 'Notifications', replyToEmailAddress: replyTo } = parameters;
  const sender = { name, address: sendFromEmailAddress, ...(replyTo !== undefined && { replyTo }) };
  return {
    ...(appName !== undefined && { appName }),
    ...(otpType === 'OTP_TYPE_EMAIL' && emailCustomization && { emailCustomization }),
    ...(otpType === 'OTP_TYPE_SMS' && smsCustomization && { smsCustomization }),
    ...(otpType === 'OTP_TYPE_EMAIL' && {
      sender: sendFromEmailAddress === undefined ? { name: 'Notifications' } : sender,
    }),
  };
}
