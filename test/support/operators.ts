import { OperatorAccounts, type OperatorAccount, type Role } from '#libs/operators';
import type { Story } from './story.js';

/**
 * Makes an account without the first login, which would cost three scrypts. The password counts as chosen.
 */
export async function makeOperator(
  story: Story,
  account: { name: string; role: Role; password: string },
): Promise<OperatorAccount> {
  const made = await story.service.get(OperatorAccounts).create(account);
  await story.sql('UPDATE operators SET must_change = false WHERE id = $1', [made.id]);
  return made;
}
