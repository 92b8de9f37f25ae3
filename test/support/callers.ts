import type { Scope } from '#libs/kernel';
import type { Answer, Story } from './story.js';

export interface MadeKey {
  id: string;
  token: string;
  caller: string;
  expiresAt: string | null;
  rotatedTo: string | null;
}

export interface Refusal {
  code: string;
  detail: string;
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

export async function makeKey(
  story: Story,
  scopes: readonly Scope[],
  more: Record<string, unknown> = {},
): Promise<MadeKey> {
  const body = { caller: 'shop', scopes, ...more };
  const answer = await story.call<MadeKey>('POST', '/v1/admin/api-keys', body);
  if (answer.status !== 201) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export const readWith = (story: Story, token: string, serviceUrl?: string): Promise<Answer<Refusal>> =>
  story.call<Refusal>('GET', '/v1/onboardings?limit=1', undefined, bearer(token), serviceUrl);
