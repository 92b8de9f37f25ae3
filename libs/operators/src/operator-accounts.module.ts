import { Module } from '@nestjs/common';
import { DatabaseModule } from '#libs/database';
import { EnvironmentAccount } from './environment-account.js';
import { OperatorAccounts } from './operator-accounts.js';
import { PasswordHashes } from './password-hashes.js';

/** Only the accounts, for command lines. This module needs only PostgreSQL. */
@Module({
  imports: [DatabaseModule],
  providers: [EnvironmentAccount, OperatorAccounts, PasswordHashes],
  exports: [EnvironmentAccount, OperatorAccounts, PasswordHashes],
})
export class OperatorAccountsModule {}
