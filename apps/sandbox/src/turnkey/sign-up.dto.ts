import { z } from 'zod';
import { emailAddress } from './otp.dto.js';
import { apiKey, authenticator, clientSignature } from './credential.dto.js';

/** The sandbox accepts and ignores OAuth providers. */
const oauthProvider = z.record(z.string(), z.json());

export const wallet = z.object({ walletName: z.string(), accounts: z.array(z.record(z.string(), z.json())) });

const rootUser = z.strictObject({
  userName: z.string(),
  userEmail: emailAddress.optional(),
  userPhoneNumber: z.string().optional(),
  apiKeys: z.array(apiKey),
  authenticators: z.array(authenticator),
  oauthProviders: z.array(oauthProvider),
});

/** CREATE_SUB_ORGANIZATION_V7 and V8, which differ in OAuth providers and in accepted tokens. */
export const createSubOrganization = z.strictObject({
  subOrganizationName: z.string().min(1),
  rootUsers: z.array(rootUser).min(1),
  rootQuorumThreshold: z.int().min(1),
  wallet: wallet.optional(),
  disableEmailRecovery: z.boolean().optional(),
  disableEmailAuth: z.boolean().optional(),
  disableSmsAuth: z.boolean().optional(),
  disableOtpEmailAuth: z.boolean().optional(),
  verificationToken: z.string().optional(),
  clientSignature: clientSignature.optional(),
});

/** Both versions of the Auth Proxy's signup. */
export const signUp = z.strictObject({
  userEmail: emailAddress.optional(),
  userPhoneNumber: z.string().optional(),
  userTag: z.string().optional(),
  userName: z.string().optional(),
  organizationName: z.string().optional(),
  verificationToken: z.string().optional(),
  apiKeys: z.array(apiKey),
  authenticators: z.array(authenticator),
  oauthProviders: z.array(oauthProvider),
  wallet: wallet.optional(),
  clientSignature: clientSignature.optional(),
});

export type RootUser = z.output<typeof rootUser>;
export type Wallet = z.output<typeof wallet>;
