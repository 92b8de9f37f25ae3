import { ProblemError, findPasswordFault } from '#libs/kernel';

/** @throws ProblemError `validation_failed` that describes the fault without the password. */
export function checkNewPassword(name: string, password: string): void {
  const fault = findPasswordFault(name, password);
  if (fault !== null) throw new ProblemError('validation_failed', { detail: `The password ${fault}.` });
}
