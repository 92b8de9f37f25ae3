import { Controller, Get, Query } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '#libs/callers';
import { Page } from '../web/page-writer.js';
import { PATHS } from '../web/paths.js';
import { AuditPage } from './audit.page.js';

const EVENTS = 100;
/** The id of an audit event is a bigint in PostgreSQL, and 18 digits always fit into a bigint. */
const idField = z
  .string()
  .regex(/^\d{1,18}$/)
  .nullable()
  .catch(null);

@Controller(PATHS.audit)
export class AuditController {
  constructor(private readonly audit: Audit) {}

  @Get()
  async list(@Query('before') before?: string): Promise<Page> {
    const events = await this.audit.latest(EVENTS, idField.parse(before ?? null));
    return new Page('Audit', <AuditPage events={events} limit={EVENTS} />);
  }
}
