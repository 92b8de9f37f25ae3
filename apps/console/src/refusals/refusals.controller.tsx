import { Controller, Get, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { RefusalList } from '#libs/onboarding';
import { OperatorAudit } from '#libs/operators';
import { FormTokens } from '../web/form-token.js';
import { TOKEN_FIELD, checkToken, parsed } from '../web/forms.js';
import { FOR_ADMINS } from '../web/gate.js';
import { Page } from '../web/page-writer.js';
import { PATHS } from '../web/paths.js';
import { RefusalsPage } from './refusals.page.js';

const TEXTS = 500;
/** A wrong name means all integrations. */
const INTEGRATION = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/)
  .nullable()
  .catch(null);
const forgetForm = z.strictObject({ id: z.uuid(), token: TOKEN_FIELD });

@Controller(PATHS.refusals)
export class RefusalsController {
  constructor(
    private readonly refusals: RefusalList,
    private readonly tokens: FormTokens,
    private readonly audit: OperatorAudit,
  ) {}

  @Get()
  async list(@Query('integration') asked: unknown, @Req() request: FastifyRequest): Promise<Page> {
    const integration = INTEGRATION.parse(asked ?? null);
    const texts = await this.refusals.list(integration, TEXTS);
    const token = this.tokens.ofSession(request);
    const props = { texts, integration, token, role: request.operator!.role };
    return new Page('Unknown refusals', <RefusalsPage {...props} />);
  }

  @Post()
  @RouteConfig(FOR_ADMINS)
  async forget(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { id, token } = parsed(forgetForm, request);
    checkToken(this.tokens, request, token);
    const [gone] = await this.refusals.forget({ id });
    if (gone) {
      const { ip: address, id: traceId, operator } = request;
      const { integration, step, status, refusal } = gone;
      this.audit.record({
        action: 'forget refusal',
        operator: operator!.name,
        target: integration,
        outcome: 'done',
        address,
        traceId,
        data: { step, status, refusal },
      });
    }
    reply.redirect(PATHS.refusals, 303);
  }
}
