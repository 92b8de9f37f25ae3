import { Module } from '@nestjs/common';
import { CallersModule } from '#libs/callers';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { LoginThrottle } from './login-throttle.js';
import { OperatorAccountsModule } from './operator-accounts.module.js';
import { OperatorAudit } from './operator-audit.js';
import { OperatorLogin } from './operator-login.js';
import { OperatorSessions } from './operator-sessions.js';
import { OwnAccount } from './own-account.js';

/** Operators: their accounts, logins, sessions and audit entries. */
@Module({
  imports: [CallersModule, DatabaseModule, JobsModule, OperatorAccountsModule],
  providers: [LoginThrottle, OperatorAudit, OperatorLogin, OperatorSessions, OwnAccount],
  exports: [OperatorAccountsModule, OperatorAudit, OperatorLogin, OperatorSessions, OwnAccount],
})
export class OperatorsModule {}
