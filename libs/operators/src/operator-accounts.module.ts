import { Module } from '@nestjs/common';
import { DatabaseModule } from '#libs/database';
import { EnvironmentAccount } from './environment-account.js';
import { OperatorAccounts } from './operator-accounts.js';
import { PasswordHashes } from './password-hashes.js';

/** The accounts alone, for whoever manages them from a command line: PostgreSQL is all that it needs. */
@Module({
  imports: [DatabaseModule],
  providers: [EnvironmentAccount, OperatorAccounts, PasswordHashes],
  exports: [EnvironmentAccount, OperatorAccounts, PasswordHashes],
})
export class OperatorAccountsModule {}
