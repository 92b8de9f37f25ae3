import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Audit } from '#libs/callers';
import { Retention } from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';

const DAY_MS = 86_400_000;

/** The worker connects audit and retention, because their libs must not depend on each other. */
@Injectable()
export class AuditRetention implements OnModuleInit {
  constructor(
    private readonly audit: Audit,
    private readonly retention: Retention,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    const { AUDIT_KEEP_DAYS } = this.config;
    this.retention.register('auditEvents', (stop) =>
      AUDIT_KEEP_DAYS === 0 ? Promise.resolve(0) : this.audit.forget(AUDIT_KEEP_DAYS * DAY_MS, stop),
    );
  }
}
