export { CALLBACK_PATH } from './identity-provider.js';
export { LINK_LIFE_MS, LoginLinks, loginLink, type NewLink } from './login-links.js';
export { OperatorAudit, type AuditEntry } from './operator-audit.js';
export { OperatorLogin, type LoginTry, type LoginWays } from './operator-login.js';
export { OperatorSessions } from './operator-sessions.js';
export type { Login, LoginWay, Operator, OperatorSession } from './operator.js';
export { OperatorsModule } from './operators.module.js';
export { ROLES, mayActAs, type Role } from '#libs/kernel';
