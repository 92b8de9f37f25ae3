export { EnvironmentAccount } from './environment-account.js';
export { OperatorAccounts } from './operator-accounts.js';
export { OperatorAudit, type AuditEntry } from './operator-audit.js';
export { OperatorLogin } from './operator-login.js';
export { OperatorSessions } from './operator-sessions.js';
export {
  ROLES,
  mayActAs,
  type Operator,
  type OperatorAccount,
  type OperatorSession,
  type Role,
} from './operator.js';
export { OperatorsModule } from './operators.module.js';
export { OwnAccount, type OwnAct } from './own-account.js';
export { PasswordHashes } from './password-hashes.js';
export { FIRST_PASSWORD_DAYS } from './statements.js';
