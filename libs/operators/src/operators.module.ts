import { Module } from '@nestjs/common';
import { Audit } from '#libs/callers';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { EmergencyAccount } from './emergency-account.js';
import { IdentityProvider } from './identity-provider.js';
import { LoginLinks } from './login-links.js';
import { LoginThrottle } from './login-throttle.js';
import { OperatorAudit } from './operator-audit.js';
import { OperatorLogin } from './operator-login.js';
import { OperatorSessions } from './operator-sessions.js';

@Module({
  imports: [DatabaseModule, JobsModule],
  providers: [
    Audit,
    EmergencyAccount,
    IdentityProvider,
    LoginLinks,
    LoginThrottle,
    OperatorAudit,
    OperatorLogin,
    OperatorSessions,
  ],
  exports: [LoginLinks, OperatorAudit, OperatorLogin, OperatorSessions],
})
export class OperatorsModule {}
